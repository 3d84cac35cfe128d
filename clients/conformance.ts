/** Our runner against a server of ours: CQL2, Part 4 on the trees, Part 5; its report is left in `.conformance`. */
import { main } from '../conformance/main.js'
import { serverGiven, startReport } from './report.js'

const { url, token } = serverGiven()
const report = startReport()
const ended = await main([`${url}/ogc`, '--token', token, '--write', 'trees', '--queryables', '2', '--report', '.conformance'])
report.check('CQL2, Features Part 4 and Part 5 keep to the standards', ended === 0, `ended with ${ended}`)
report.end()
