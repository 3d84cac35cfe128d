import { fromFile, type GeoTIFFImage } from 'geotiff'
import { badFile, reading } from '../fault.js'
import type { OpenOptions } from '../reader.js'
import { Cells } from './cells.js'
import { checkSize, type HeightGrid } from './grid.js'

const WHAT = 'GeoTIFF'
/** GTRasterTypeGeoKey: the tie point names a cell's centre instead of its corner. */
const PIXEL_IS_POINT = 2
/** A geo key's value for “defined by parameters instead of a code”. */
const USER_DEFINED = 32767

/** The first band of a GeoTIFF (COG and BigTIFF too) as heights; a few of its tiles or strips are in memory at a time. */
export async function readGeoTiff(file: string, { signal }: Pick<OpenOptions, 'signal'> = {}): Promise<HeightGrid> {
  return reading(WHAT, async () => {
    const tiff = await fromFile(file)
    try {
      const image = await tiff.getImage(0)
      const [cols, rows] = [image.getWidth(), image.getHeight()]
      checkSize(rows, cols, WHAT)
      const keys = image.getGeoKeys() ?? {}
      const [originX, originY] = origin(() => image.getOrigin())
      const [resolutionX, resolutionY] = origin(() => image.getResolution())
      if (!(resolutionX! > 0 && resolutionY! < 0)) throw badFile('The GeoTIFF is rotated or upside down. Warp it to north up (gdalwarp).')
      const half = keys.GTRasterTypeGeoKey === PIXEL_IS_POINT ? 0 : 0.5
      const nodata = image.getGDALNoData()
      const heights = await readCells(image, nodata, signal)
      const code = Number(keys.ProjectedCSTypeGeoKey ?? keys.GeographicTypeGeoKey)
      return {
        heights, rows, cols, west: originX! + half * resolutionX!, north: originY! + half * resolutionY!,
        cellX: resolutionX!, cellY: -resolutionY!, srid: Number.isInteger(code) && code > 0 && code !== USER_DEFINED ? code : null,
      }
    } finally {
      await tiff.close()
    }
  })
}

/** Cells of one window. */
const WINDOW_CELLS = 1 << 22
/** Cells of the largest tile or strip that is taken: it is decoded as a whole. */
const MOST_BLOCK_CELLS = 1 << 26

/** Window by window, each of whole tiles or strips, so that each of them is decoded once. */
async function readCells(image: GeoTIFFImage, nodata: number | null, signal: AbortSignal | undefined): Promise<Cells> {
  const [cols, rows, blockCols, blockRows] = [image.getWidth(), image.getHeight(), image.getTileWidth(), image.getTileHeight()]
  if (!(blockCols > 0 && blockRows > 0)) throw badFile('The GeoTIFF does not say how large its tiles are: it is damaged.')
  if (Math.min(blockCols, cols) * Math.min(blockRows, rows) > MOST_BLOCK_CELLS)
    throw badFile(`The GeoTIFF is one piece of ${blockCols} × ${blockRows} cells, too large to read at once. Write it in tiles: gdal_translate -co TILED=YES -co COMPRESS=DEFLATE.`)
  const width = blockCols * Math.max(1, Math.floor(Math.min(cols, WINDOW_CELLS / blockRows) / blockCols))
  const height = blockRows * Math.max(1, Math.floor(WINDOW_CELLS / (width * blockRows)))
  const cells = new Cells(rows, cols)
  try {
    for (let top = 0; top < rows; top += height) {
      for (let left = 0; left < cols; left += width) {
        signal?.throwIfAborted()
        const [right, bottom] = [Math.min(cols, left + width), Math.min(rows, top + height)]
        const raw = await image.readRasters({ samples: [0], interleave: true, window: [left, top, right, bottom] }) as unknown as ArrayLike<number>
        cells.write(top, left, right - left, bottom - top, heightsOf(raw, nodata))
      }
    }
    return cells
  } catch (error) {
    cells.close()
    throw error
  }
}

/** No-data, compared in the raster's own precision, and what no place on Earth has, is NaN. */
function heightsOf(raw: ArrayLike<number>, nodata: number | null): Float32Array {
  const heights = Float32Array.from(raw)
  const none = nodata === null ? NaN : raw instanceof Float32Array ? Math.fround(nodata) : nodata
  for (let i = 0; i < heights.length; i++) if (raw[i] === none || Math.abs(heights[i]!) > 20_000) heights[i] = NaN
  return heights
}

function origin(read: () => number[]): number[] {
  try {
    return read()
  } catch {
    throw badFile('The TIFF has no georeference. Give a GeoTIFF (gdal_translate -a_srs … -a_ullr …).')
  }
}
