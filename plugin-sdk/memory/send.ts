/** Sending from places that nobody waits for. */
import { asError, type Channel } from '../../protocol/index.ts'

/** Never throws: what is sent may be sent by a timer. A frame that cannot be sent ends the conversation. */
export function sendOrEnd(channel: Channel, frame: object): void {
  if (channel.ended.aborted) return
  try {
    channel.send(frame)
  } catch (error) {
    channel.abort(asError(error))
  }
}
