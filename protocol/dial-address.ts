/**
 * Addresses that a plugin may be told to dial: multiaddrs of a host, a port and one of the two transports. Keeps true:
 * only this shape gets through, so no relay, path, socket file or other transport can be smuggled in by a ticket.
 */

const maxAddressChars = 256
const transportForm = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/(?:udp\/([1-9][0-9]{0,4})\/quic-v1|tcp\/([1-9][0-9]{0,4}))$/
const hostLabelForm = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/
const octetForm = /^(?:0|[1-9][0-9]{0,2})$/
const groupForm = /^[0-9A-Fa-f]{1,4}$/

/** Whether the text is `/ip4|ip6|dns|dns4|dns6/HOST/udp/PORT/quic-v1` or `…/tcp/PORT`, without a peer id. */
export function isDialAddress(text: string): boolean {
  if (text.length > maxAddressChars) return false
  const [, kind, host = '', udpPort, tcpPort] = transportForm.exec(text) ?? []
  if (kind === undefined || Number(udpPort ?? tcpPort) > 65_535) return false
  if (kind === 'ip4') return isIp4(host)
  return kind === 'ip6' ? isIp6(host) : isHostName(host)
}

function isIp4(host: string): boolean {
  const octets = host.split('.')
  return octets.length === 4 && octets.every((octet) => octetForm.test(octet) && Number(octet) <= 255)
}

/** Eight groups, or fewer around one `::`. Zones (`%eth0`) mean nothing on another machine and are refused. */
function isIp6(host: string): boolean {
  const halves = host.split('::')
  if (halves.length > 2) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  return (
    groups.every((group) => groupForm.test(group)) && (halves.length === 2 ? groups.length < 8 : groups.length === 8)
  )
}

function isHostName(host: string): boolean {
  return host.length <= 253 && host.split('.').every((label) => hostLabelForm.test(label))
}
