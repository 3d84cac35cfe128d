/** Columns that the result layers of a flood run share. */
import { number, text } from './columns.js'
import { DEPTH_CLASSES } from './depth.js'
import type { Column } from './layer.js'

export const depthColumns: readonly Column[] = [
  number('depth_max_m', 'Độ sâu ngập lớn nhất', 'Greatest depth', { unit: 'm', min: 0, max: 100, required: true, inTiles: true }),
  text('depth_class', 'Mức ngập', 'Depth class', { codes: DEPTH_CLASSES, inTiles: true }),
  number('arrival_s', 'Thời điểm nước đến', 'Arrival time', { unit: 's', min: 0, inTiles: true, description: { vi: 'Giây từ lúc bắt đầu đến khi sâu 0,1 m; trống nếu không ngập.', en: 'Seconds from the start to a depth of 0.1 m; empty if it stays dry.' } }),
  number('duration_s', 'Thời gian ngập', 'Time under water', { unit: 's', min: 0, description: { vi: 'Tổng số giây sâu từ 0,1 m.', en: 'Seconds with a depth of 0.1 m or more.' } }),
]
