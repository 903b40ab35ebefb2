/** Who wrote what arrived. The daemon vouches for nothing: each author's own signature does. */
import { type BlockAddress, MooringError, type PeerId } from '../../protocol/index.ts'
import { ownsActor, type ReceivedTip, verifyTip } from '../../protocol/sync/index.ts'

/** @throws `bad-signature` */
export function checkTips(
  daemon: PeerId,
  { address, generation = 0 }: { readonly address: BlockAddress; readonly generation: number | undefined },
  tips: readonly ReceivedTip[],
): void {
  for (const tip of tips) {
    const signed = { ...tip, address, generation }
    if (!ownsActor(daemon, tip.peer, tip.actor) || !verifyTip(tip.peer, signed, tip.signature)) {
      throw new MooringError('bad-signature', { detail: address })
    }
  }
}
