import { createHash, randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import { sql, type Transaction } from 'kysely'
import type { DraftAppearance, FaceAppearance, TextureUse } from '../../core/appearance.js'
import type { Feature } from '../../core/feature.js'
import type { Layer } from '../../layers/layer.js'
import { encodeFaces, solidKeySql } from '../store/appearance.js'
import type { Database } from '../store/database.js'
import type { Store } from '../store/store.js'
import { imageInfo } from './texture-files.js'

/** Rows, and bytes of their faces, that wait for one statement. */
const BATCH_ROWS = 500
const BATCH_BYTES = 4 << 20
const MOST_IMAGE_BYTES = 64 << 20

interface Incoming { readonly layer: string; readonly source: string; readonly sourceId: string; readonly images: readonly TextureUse[]; readonly faces: Buffer }

/**
 * The appearances of a load's solids. A solid's key is known only when it is stored, so they wait in a table of their own,
 * written beside the load's transaction; images are kept by content, so one that a failed load leaves behind is the next one's.
 */
export class Appearances {
  readonly #load = randomUUID()
  readonly #images = new Map<string, string | null>()
  #batch: Incoming[] = []
  #bytes = 0
  #isUsed = false
  constructor(readonly store: Store) {}

  /** What it returns, now and then, is to be waited for. */
  add(layer: Layer, source: string, { appearance, solid, sourceId }: Feature): Promise<void> | undefined {
    if (!appearance || !layer.threeD || !solid?.length || sourceId === undefined || appearance.faces.length !== solid.length) return undefined
    return this.#add(layer.id, source, sourceId, appearance)
  }

  async #add(layer: string, source: string, sourceId: string, draft: DraftAppearance): Promise<void> {
    const { images, faces } = await this.#stored(draft)
    if (faces.every(face => face === null)) return
    const bytes = encodeFaces(faces)
    this.#batch.push({ layer, source, sourceId, images, faces: bytes })
    this.#bytes += bytes.length
    if (this.#batch.length >= BATCH_ROWS || this.#bytes >= BATCH_BYTES) await this.#flush()
  }

  /** The draft with its images stored; faces whose image cannot be used keep their colour alone. */
  async #stored({ images, faces }: DraftAppearance): Promise<{ images: readonly TextureUse[]; faces: readonly (FaceAppearance | null)[] }> {
    const uses: TextureUse[] = []
    const place = new Map<number, number>()
    for (const [i, { file, wrap }] of images.entries()) {
      const sha256 = await this.#image(file)
      if (sha256 !== null) place.set(i, uses.push({ sha256, wrap }) - 1)
    }
    return {
      images: uses,
      faces: faces.map(face => {
        if (face?.image === undefined) return face
        const image = place.get(face.image)
        const { image: _, uv: __, ...rest } = face
        return image !== undefined ? { ...face, image } : face.colour ? rest : null
      }),
    }
  }

  /** Stores an image file once; null where it is no image, or too large. */
  async #image(file: string): Promise<string | null> {
    const known = this.#images.get(file)
    if (known !== undefined) return known
    const bytes = await contentUpTo(file, MOST_IMAGE_BYTES)
    const info = bytes && imageInfo(bytes)
    const sha256 = info ? createHash('sha256').update(bytes).digest('hex') : null
    if (info) await sql`
      insert into dothi.texture_images (sha256, media_type, width, height, bytes)
      values (${Buffer.from(sha256!, 'hex')}, ${info.mediaType}, ${info.width}, ${info.height}, ${bytes}) on conflict do nothing`.execute(this.store.db)
    this.#images.set(file, sha256)
    return sha256
  }

  async #flush(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    if (batch.length === 0) return
    this.#isUsed = true
    const rows = batch.map(({ layer, source, sourceId, images, faces }) => sql`(${this.#load}::uuid, ${layer}, ${source}, ${sourceId}, ${JSON.stringify(images)}::jsonb, ${faces})`)
    await sql`insert into dothi.appearances_incoming (load, layer, source, source_id, images, faces) values ${sql.join(rows)}`.execute(this.store.db)
  }

  /** Gives the solids of a layer, now that they are stored, their appearances. */
  async settle(tx: Transaction<Database>, layer: Layer): Promise<void> {
    await this.#flush()
    if (!this.#isUsed || !layer.threeD) return
    await sql`
      insert into dothi.appearances (solid, images, faces)
      select distinct on (key) key::uuid, images, faces from (
        select ${solidKeySql(sql.ref('t.solid'))} as key, i.images, i.faces
        from dothi.appearances_incoming i join ${sql.table(`city.${layer.id}`)} t on t.source = i.source and t.source_id = i.source_id
        where i.load = ${this.#load}::uuid and i.layer = ${layer.id} and t.solid is not null) as found
      on conflict (solid) do update set images = excluded.images, faces = excluded.faces`.execute(tx)
  }

  /** Takes away what waited, and what loads left that ended without a word. */
  async end(): Promise<void> {
    if (this.#isUsed) await sql`delete from dothi.appearances_incoming where load = ${this.#load}::uuid or at < now() - interval '2 days'`.execute(this.store.db)
  }
}

async function contentUpTo(file: string, most: number): Promise<Buffer | null> {
  const handle = await open(file).catch(() => null)
  if (!handle) return null
  try {
    const { size } = await handle.stat()
    return size > most ? null : await handle.readFile()
  } finally {
    await handle.close()
  }
}
