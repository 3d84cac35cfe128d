import { fromFile } from 'geotiff'
import { badFile, reading } from '../fault.js'
import { checkSize, type HeightGrid } from './grid.js'

const WHAT = 'GeoTIFF'
/** GTRasterTypeGeoKey: the tie point names a cell's centre instead of its corner. */
const PIXEL_IS_POINT = 2
/** A geo key's value for “defined by parameters instead of a code”. */
const USER_DEFINED = 32767

/** The first band of a GeoTIFF (COG and BigTIFF too) as heights. */
export async function readGeoTiff(file: string): Promise<HeightGrid> {
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
      const raw = await image.readRasters({ samples: [0], interleave: true }) as unknown as ArrayLike<number>
      const heights = Float32Array.from(raw)
      // No-data is compared in the raster's own precision.
      const none = nodata === null ? NaN : raw instanceof Float32Array ? Math.fround(nodata) : nodata
      for (let i = 0; i < heights.length; i++) if (raw[i] === none || Math.abs(heights[i]!) > 20_000) heights[i] = NaN
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

function origin(read: () => number[]): number[] {
  try {
    return read()
  } catch {
    throw badFile('The TIFF has no georeference. Give a GeoTIFF (gdal_translate -a_srs … -a_ullr …).')
  }
}
