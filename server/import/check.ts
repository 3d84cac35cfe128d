export * from '../store/check.js'
