/** kernel-bytes.js is made by the build (scripts/prepare.mjs) from assembly/kernel.ts: the WASM module, base64. */
export declare const KERNEL: string
