/**
 * SQLite's R-tree as the three tables that it is kept in, packed from boxes that come sorted along a curve: each node is
 * full, and nothing is ever split. Also the way to one where SQLite was built without the module that would keep it.
 *
 *   node    number → height of the tree (root only), count, then a row id or child and min x, max x, min y, max y a cell
 *   parent  node → the node above it        rowid  row → the leaf that it is in
 *
 * Source: sqlite3 ext/rtree/rtree.c. Numbers are big-endian, ordinates float32.
 */
import type sqlite from 'node-sqlite3-wasm'

type Database = InstanceType<typeof sqlite.Database>
type Statement = ReturnType<Database['prepare']>

/** As the module itself chooses for pages of 4096 bytes. */
const MAX_CELLS = 51
const CELL_BYTES = 24
const NODE_BYTES = 4 + MAX_CELLS * CELL_BYTES
const ROOT = 1

/** A node on its way: cells, and the box around them. */
interface Node { readonly cells: Buffer; count: number; readonly box: Float32Array }

export class RtreeWriter {
  readonly #node: Statement
  readonly #parent: Statement
  readonly #rowid: Statement
  /** The node being filled on each level, leaves first. */
  readonly #levels: Node[] = []
  readonly #round = new Float32Array(1)
  #last = ROOT
  #children: number[][] = []
  #rows: number[] = []

  constructor(readonly db: Database, readonly name: string) {
    const table = (what: string) => quote(`${name}_${what}`)
    db.exec(`create table ${table('rowid')} (rowid integer primary key, nodeno); create table ${table('node')} (nodeno integer primary key, data); create table ${table('parent')} (nodeno integer primary key, parentnode)`)
    this.#node = db.prepare(`insert into ${table('node')} values (?, ?)`)
    this.#parent = db.prepare(`insert into ${table('parent')} values (?, ?)`)
    this.#rowid = db.prepare(`insert into ${table('rowid')} values (?, ?)`)
  }

  /** A row with its box as min x, min y, max x, max y; neighbours come one after the other. */
  add(row: number, box: ArrayLike<number>): void {
    this.#add(0, row, this.#down(box[0]!), this.#up(box[2]!), this.#down(box[1]!), this.#up(box[3]!))
  }

  #add(level: number, id: number, minX: number, maxX: number, minY: number, maxY: number): void {
    this.#levels[level] ??= emptyNode()
    this.#children[level] ??= []
    // A full node is written when the next cell comes: what is never outgrown becomes the root.
    if (this.#levels[level]!.count === MAX_CELLS) this.#close(level)
    const { cells, count, box } = this.#levels[level]!
    const at = 4 + count * CELL_BYTES
    cells.writeBigInt64BE(BigInt(id), at)
    cells.writeFloatBE(minX, at + 8)
    cells.writeFloatBE(maxX, at + 12)
    cells.writeFloatBE(minY, at + 16)
    cells.writeFloatBE(maxY, at + 20)
    if (minX < box[0]!) box[0] = minX
    if (maxX > box[1]!) box[1] = maxX
    if (minY < box[2]!) box[2] = minY
    if (maxY > box[3]!) box[3] = maxY
    this.#levels[level]!.count++
    if (level === 0) this.#rows.push(id)
    else this.#children[level]!.push(id)
  }

  /** Writes the node of a level under a number of its own and puts it into the one above. */
  #close(level: number): void {
    const { box } = this.#levels[level]!
    const number = ++this.#last
    this.#write(level, number, 0)
    this.#levels[level] = emptyNode()
    this.#add(level + 1, number, box[0]!, box[1]!, box[2]!, box[3]!)
  }

  #write(level: number, number: number, height: number): void {
    const { cells, count } = this.#levels[level] ?? emptyNode()
    cells.writeUInt16BE(height, 0)
    cells.writeUInt16BE(count, 2)
    this.#node.run([number, cells])
    if (level === 0) {
      for (const row of this.#rows) this.#rowid.run([row, number])
      this.#rows = []
    } else {
      for (const child of this.#children[level]!) this.#parent.run([child, number])
      this.#children[level] = []
    }
  }

  /** Writes what is still open, the root last, and makes the tables known as a virtual table. */
  finish(): void {
    let level = 0
    // Closing a level may fill the one above beyond its end, which then gets one above it too.
    for (; level < this.#levels.length - 1; level++) this.#close(level)
    this.#write(level, ROOT, level)
    for (const statement of [this.#node, this.#parent, this.#rowid]) statement.finalize()
    this.db.exec('pragma writable_schema = on')
    this.db.run(`insert into sqlite_master (type, name, tbl_name, rootpage, sql) values ('table', ?, ?, 0, ?)`, [this.name, this.name, `CREATE VIRTUAL TABLE ${quote(this.name)} USING rtree(id, minx, maxx, miny, maxy)`])
    this.db.exec('pragma writable_schema = off')
  }

  /** The nearest float32 that is not above. */
  #down(value: number): number {
    this.#round[0] = value
    return this.#round[0] > value ? stepped(this.#round[0], -1) : this.#round[0]
  }

  #up(value: number): number {
    this.#round[0] = value
    return this.#round[0] < value ? stepped(this.#round[0], 1) : this.#round[0]
  }
}

const emptyNode = (): Node => ({ cells: Buffer.alloc(NODE_BYTES), count: 0, box: new Float32Array([Infinity, -Infinity, Infinity, -Infinity]) })

const float = new Float32Array(1)
const bits = new Int32Array(float.buffer)
/** The float32 next to one, towards +∞ or −∞. */
function stepped(value: number, direction: 1 | -1): number {
  if (value === 0) return direction * 2 ** -149
  float[0] = value
  bits[0]! += value > 0 === direction > 0 ? 1 : -1
  return float[0]!
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
