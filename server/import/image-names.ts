/** What images of textures are called. */
import { extname } from 'node:path'

/** glTF takes no others. */
export const IMAGE_EXTENSIONS = ['.png', '.jpg', '.jpeg'] as const
export const isImageName = (name: string) => (IMAGE_EXTENSIONS as readonly string[]).includes(extname(name).toLowerCase())

/** The name of an image where all files stand in one folder: its path with the folders in the name, without what a file system may trip over. */
export const flatName = (path: string) => path.split(/[\\/]+/).filter(part => part !== '' && part !== '.').map(part => part.replace(/[^\p{L}\p{N}._ -]/gu, '_')).join('__')
