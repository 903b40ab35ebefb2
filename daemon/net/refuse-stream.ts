/** How a stream is refused: with an answer in the form its protocol has for it, since a mere reset tells nobody why. */
import { type Channel, type MooringError, toWireError } from '../../protocol/index.ts'

/** Answers, then closes. The other side learns the code and nothing else. @throws when the stream ends before */
export async function refuseStream(channel: Channel, kind: 'rpc' | 'frames', error: MooringError): Promise<void> {
  channel.send(kind === 'rpc' ? { t: 'error', id: 0, ...toWireError(error) } : { t: 'done', reason: error.code })
  await channel.close()
}
