/** The view worker on a platform that lacks what a limited step needs: each of them fails, whatever the change. */
Object.defineProperty(process, 'threadCpuUsage', {
  value: () => {
    throw new TypeError('there is no such thing here')
  },
})
await import('../../../../daemon/views/view-worker.ts')
