/** What the tests use of Khronos' validator, which ships no types. */
declare module 'gltf-validator' {
  export function validateBytes(bytes: Uint8Array, options?: { readonly maxIssues?: number; readonly ignoredIssues?: readonly string[] }): Promise<{
    readonly issues: { readonly messages: readonly { readonly code: string; readonly message: string; readonly severity: 0 | 1 | 2 | 3; readonly pointer?: string }[] }
  }>
}
