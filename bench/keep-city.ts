/** `make bench-city`: builds the big city if it is not there and keeps its database up until Ctrl-C, for servers to be compared with. */
import { once } from 'node:events'
import { openBigCity } from './big-city.js'

const city = await openBigCity()
const { host, port, user, database } = city.connection
console.log(`The city is in  postgresql://${user}@${encodeURIComponent(String(host))}:${port}/${database}  (also: host=${host} port=${port} user=${user} dbname=${database})`)
console.log('Tables city.buildings, city.parcels, city.roads; geometry geom_3857, id. Ctrl-C lets go of it.')
const alive = setInterval(() => {}, 1 << 30)
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
clearInterval(alive)
await city.close()
