/** What styles say of letters: no canvas and no font is needed to say it, so the server starts without them. */

/** The one font of maps, as styles and glyphs name it. */
export const FONT = 'Be Vietnam Pro Medium'
export const LABEL_COLOUR = '#3b4650'

/** Code points of one answer of glyphs, and where the last of Unicode's basic plane begins. */
export const RANGE = 256
export const LAST_RANGE = 65_280
