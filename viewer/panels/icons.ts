/** Line icons, 20 px, drawn for this page. */
import { svg, type SVGTemplateResult } from 'lit'

const icon = (body: SVGTemplateResult) =>
  svg`<svg viewBox="0 0 20 20" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${body}</svg>`

export const icons = {
  layers: icon(svg`<path d="M10 3 2.8 6.8 10 10.6l7.2-3.8L10 3Z"/><path d="m3 10.2 7 3.7 7-3.7M3 13.5l7 3.7 7-3.7"/>`),
  flood: icon(svg`<path d="M3 8.5 10 3l7 5.5"/><path d="M5 7.5v4M15 7.5v4"/><path d="M2.5 13.5c1.3 0 1.3 1 2.5 1s1.3-1 2.5-1 1.3 1 2.5 1 1.3-1 2.5-1 1.3 1 2.5 1 1.3-1 2.5-1M4 17c1.2 0 1.2.8 2.4.8S7.6 17 8.800 17s1.200.8 2.400.8 1.200-.8 2.400-.8 1.200.8 2.400.8"/>`),
  underground: icon(svg`<path d="M2.500 7h15"/><path d="M5 7V4h4v3M12 7V3h3v4"/><path d="M3.500 13.500h7a2 2 0 0 0 2-2V10M3.500 13.500v3M12.500 16.500h4"/><circle cx="12.500" cy="16.500" r="1"/>`),
  filter: icon(svg`<path d="M3 4.500h14l-5.500 6.300v4.700l-3-1.500v-3.200L3 4.500Z"/>`),
  upload: icon(svg`<path d="M10 13V3.500M6.500 6.800 10 3.300l3.500 3.500"/><path d="M3.500 12.500v3a1.500 1.500 0 0 0 1.500 1.500h10a1.500 1.500 0 0 0 1.500-1.500v-3"/>`),
  share: icon(svg`<circle cx="5" cy="10" r="2"/><circle cx="14.500" cy="5" r="2"/><circle cx="14.500" cy="15" r="2"/><path d="m6.800 9 5.900-3M6.800 11l5.900 3"/>`),
  search: icon(svg`<circle cx="9" cy="9" r="5.300"/><path d="m13 13 4 4"/>`),
  close: icon(svg`<path d="m5 5 10 10M15 5 5 15"/>`),
  play: icon(svg`<path d="M6.500 4.200v11.600L15.500 10 6.500 4.200Z" fill="currentColor"/>`),
  pause: icon(svg`<path d="M7 4.500v11M13 4.500v11" stroke-width="2.600"/>`),
  plus: icon(svg`<path d="M10 4v12M4 10h12"/>`),
  minus: icon(svg`<path d="M4 10h12"/>`),
  north: icon(svg`<path d="M10 2.500 13.800 17 10 14.200 6.200 17 10 2.500Z"/><path d="M10 2.500v11.700L6.200 17 10 2.500Z" fill="currentColor" stroke="none"/>`),
  fly: icon(svg`<circle cx="10" cy="10" r="5.500"/><path d="M10 2.500v3M10 14.500v3M2.500 10h3M14.500 10h3"/>`),
  chevron: icon(svg`<path d="m7.500 5 5 5-5 5"/>`),
  link: icon(svg`<path d="M8.500 5H5.500A1.500 1.500 0 0 0 4 6.500v8A1.500 1.500 0 0 0 5.500 16h8a1.500 1.500 0 0 0 1.500-1.500v-3M11.500 4H16v4.500M16 4l-7 7"/>`),
} as const
