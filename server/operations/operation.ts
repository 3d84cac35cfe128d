/**
 * One table of operations yields routes, validation and OpenAPI:
 * parse → handle → respond, each a value.
 */
import type { Request, Response } from 'express'
import type { TSchema } from '@sinclair/typebox'
import type { Reader, Role, Store } from '../store/store.js'
import type { Jobs } from './jobs.js'
import type { Config } from '../config.js'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly description: string
  readonly schema: TSchema
  readonly required?: boolean
  /** Nothing between = and & is as if the parameter were not there: so browsers send a field of a form that was left empty. */
  readonly allowsEmpty?: boolean
}

/** What an answer of one status is. */
export interface Answer {
  readonly description: string
  /** By media type, what the body holds; `{}` where no schema tells it (tiles, files). None: there is no body. */
  readonly content?: Readonly<Record<string, TSchema | Readonly<Record<string, unknown>>>>
  readonly headers?: Readonly<Record<string, { readonly description: string; readonly schema: TSchema }>>
}

/** A body that the handler reads by itself, by media type for the document. */
export interface RawBody { readonly contentType: 'raw'; readonly media?: Readonly<Record<string, TSchema | Readonly<Record<string, unknown>>>> }

export interface Operation {
  readonly id: string
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** OpenAPI form: `/ogc/collections/{collectionId}/items`. */
  readonly path: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly parameters?: readonly Parameter[]
  readonly body?: { readonly contentType: string; readonly schema: TSchema; readonly limitBytes?: number } | RawBody
  /** Roles of which the reader needs one; none: open to all. */
  readonly roles?: readonly Role[]
  /** True where `/scenarios/{scenarioId}` + path serves the same over a branch. */
  readonly branched?: boolean
  /** Query parameters beyond `parameters` are handed through in `query` instead of refused (queryables). */
  readonly extraQuery?: boolean
  /** By status; a sentence alone where there is no body. Problems need no entry: every operation may answer with them. Schemas: ogc/common/schemas.ts. */
  readonly responses?: Readonly<Record<string, string | Answer>>
  /** Conformance classes that this operation, with its kin, implements; `/ogc/conformance` declares those of all operations. */
  readonly conformsTo?: readonly string[]
  readonly handler: (call: Call, response: Response) => Promise<void> | void
}

/** A validated request. `params` holds path and query values, typed by their schemas. */
export interface Call {
  readonly app: AppContext
  readonly reader: Reader
  readonly branch: string
  readonly params: Readonly<Record<string, any>>
  readonly query: Readonly<Record<string, string>>
  readonly body: unknown
  /** `https://city.example` without a trailing slash; honours BASE_URL and Forwarded headers. */
  readonly origin: string
  /** `origin` plus `/scenarios/{id}` on a branch: put `/ogc…` behind it. */
  readonly base: string
  readonly request: Request
  readonly signal: AbortSignal
}

export interface AppContext { readonly store: Store; readonly jobs: Jobs; readonly config: Config }
