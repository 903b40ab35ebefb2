/** The chart: for each metric of each workload a bar per subject, each metric on its own scale from zero. */
import { format, labelOf, type Result } from './results.ts'

const colours = ['#0b6e4f', '#c8553d', '#28587b', '#d9a441', '#8a8a8a']
const barHeight = 16
const labelWidth = 130
const barWidth = 250
const panelWidth = labelWidth + barWidth + 110
const columns = 2

/** Text of an SVG file. */
export function renderChart(results: readonly Result[], subjects: readonly string[]): string {
  const workloads = [...new Set(results.map(({ workload }) => workload))]
  const panelHeight = subjects.length * barHeight + 44
  const panels = workloads.flatMap((workload) => workload.metrics.map((metric) => ({ workload, metric })))
  const rows = results.flatMap((result) => result.rows)
  const drawn = panels.map(({ workload, metric }, index) => {
    const find = (subject: string): number | null | undefined =>
      rows.find((row) => row.workload === workload.name && row.subject === subject && row.metric === metric.name)?.value
    const largest = Math.max(...subjects.map((subject) => find(subject) ?? 0)) || 1
    const bars = subjects.map((subject, at) => {
      const value = find(subject)
      if (value === undefined) return ''
      const y = 22 + at * barHeight
      const width = ((value ?? 0) / largest) * barWidth
      return (
        `<text x="${labelWidth - 6}" y="${y + 11}" text-anchor="end">${subject}</text>` +
        `<rect x="${labelWidth}" y="${y + 2}" width="${width.toFixed(1)}" height="${barHeight - 4}" fill="${colours[at % colours.length]}"/>` +
        `<text x="${(labelWidth + width + 5).toFixed(1)}" y="${y + 11}">${format(value)}</text>`
      )
    })
    const x = (index % columns) * panelWidth
    const y = Math.floor(index / columns) * panelHeight
    const title = `${workload.name}: ${labelOf(metric)}`
    return `<g transform="translate(${x},${y})"><text x="6" y="14" font-weight="bold">${title}</text>${bars.join('')}</g>`
  })
  const width = columns * panelWidth
  const height = Math.ceil(panels.length / columns) * panelHeight
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n')
}
