/** What history, lineage, attachments and branches answer. */
import { Type } from '@sinclair/typebox'
import type { Answer } from '../operations/operation.js'
import { answer, BOOLEAN, BOX, COUNT, FREE, GEOMETRY, INSTANT, INTEGER, json, LINKS, named, nullable, NUMBER, problem, TEXT } from '../ogc/common/schemas.js'

const { Array: list, Object: object, Optional: optional } = Type

const STAMP = named('RevisionStamp', object({ revision: INTEGER, at: INSTANT, actor: nullable(TEXT), reason: nullable(TEXT), branch: TEXT }))
const REVISION = named('Revision', object({
  revision: INTEGER, at: INSTANT, branch: TEXT, actor: optional(nullable(TEXT)), reason: optional(nullable(TEXT)), links: LINKS,
  changes: list(object({ layer: TEXT, inserted: COUNT, updated: COUNT, deleted: COUNT, bbox: nullable(BOX), links: LINKS })),
}))
const DIFFERENCE = object({ change: TEXT, fields: list(TEXT), revision: INTEGER, before: nullable(FREE), after: nullable(FREE) })
const differences = (properties: typeof DIFFERENCE, more: Parameters<typeof Type.Object>[0]) => object({
  type: Type.Literal('FeatureCollection'), numberReturned: COUNT, links: LINKS, ...more,
  features: list(object({ type: Type.Literal('Feature'), id: INTEGER, geometry: nullable(GEOMETRY), properties })),
})
const CONFLICTS = list(FREE)
const DESCENT = list(object({ kind: TEXT, parent: INTEGER, child: INTEGER, shareOfParent: nullable(NUMBER), shareOfChild: nullable(NUMBER), revision: INTEGER, at: INSTANT, depth: INTEGER, links: LINKS }))
const ATTACHMENT = named('Attachment', object({
  id: INTEGER, feature: INTEGER, name: TEXT, description: nullable(TEXT), mediaType: TEXT, bytes: COUNT, sha256: TEXT, classification: TEXT, revision: INTEGER, links: LINKS,
}))
const DIVISION = object({ collection: TEXT, revision: STAMP, parents: list(INTEGER), children: list(object({ id: INTEGER, areaM2: NUMBER, links: LINKS })) })
const MERGE = object({
  dryRun: BOOLEAN, plan: TEXT, revision: nullable(STAMP), added: COUNT, changed: COUNT, removed: COUNT, count: COUNT, conflicts: CONFLICTS,
  layers: list(object({ layer: TEXT, added: COUNT, changed: COUNT, removed: COUNT, conflicts: COUNT })),
})

export const VERSIONS = { 200: json('Versions, newest first.', object({
  collection: TEXT, id: INTEGER, links: LINKS,
  versions: list(object({ revision: INTEGER, at: INSTANT, actor: optional(nullable(TEXT)), reason: optional(nullable(TEXT)), fields: list(TEXT), op: TEXT, links: LINKS })),
})) }
export const RESTORED = { 200: json('What the feature is again.', object({ collection: TEXT, id: INTEGER, restored: INTEGER, revision: nullable(STAMP), links: LINKS })) }
export const DIFF = { 200: answer('What differs.', 'application/geo+json', differences(DIFFERENCE, { from: INTEGER, to: INTEGER })) }
export const REVISIONS = { 200: json('Revisions, newest first.', object({ revisions: list(REVISION), links: LINKS })) }
export const ONE_REVISION = { 200: json('The revision.', REVISION) }
export const UNDONE = {
  200: json('What was undone, and what was left.', object({ undone: INTEGER, added: COUNT, changed: COUNT, removed: COUNT, revision: nullable(STAMP), kept: COUNT, conflicts: CONFLICTS })),
  409: problem('Features were changed since; `conflicts` tells them field by field.'),
}
export const SPLIT = { 201: json('The new features; the divided one is retired.', DIVISION), 422: problem('The parts do not make up the feature.') }
export const MERGED = { 201: json('The new feature; the others are retired.', DIVISION), 422: problem('They do not adjoin, or lie in different wards.') }
export const LINEAGE = { 200: json('Ancestors and descendants.', object({ collection: TEXT, id: INTEGER, ancestors: DESCENT, descendants: DESCENT })) }
export const ATTACHMENTS = { 200: json('The attachments.', object({ collection: TEXT, id: INTEGER, attachments: list(ATTACHMENT) })) }
export const ATTACHED = {
  201: json('They are attached; the feature has a new version.', object({ collection: TEXT, id: INTEGER, revision: STAMP, attachments: list(ATTACHMENT) })),
  413: problem('A file is too large.'), 415: problem('A file is no image or PDF.'),
}
export const ATTACHED_FILE: Record<number, Answer> = { 200: { description: 'The file.', content: { 'image/*': {}, 'application/pdf': {} } } }
export const GONE = { 204: 'It is gone.' }
export const BRANCH_DIFF = { 200: answer('What the scenario changed.', 'application/geo+json',
  differences(object({ ...DIFFERENCE.properties, layer: TEXT, conflicts: list(TEXT), theirs: optional(nullable(FREE)) }) as never, { layers: list(TEXT) })) }
export const BRANCH_MERGED = { 200: json('What was merged, or would be.', MERGE), 409: problem('Conflicts are undecided, or the plan is stale.') }
export const BRANCH_REBASED = { 200: json('What was brought over, or would be.', MERGE), 409: problem('Conflicts are undecided, or the plan is stale.') }
