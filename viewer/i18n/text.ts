/** Words and numbers in the reader's language. */
import type { Localized } from '../../layers/layer.js'
import type { Language } from '../core/state.js'
import { en } from './en.js'
import { vi, type MessageKey } from './vi.js'

export type { MessageKey } from './vi.js'

const MESSAGES: Readonly<Record<Language, Readonly<Record<MessageKey, string>>>> = { vi, en }

export function text(language: Language, key: MessageKey, values: Readonly<Record<string, string | number>> = {}): string {
  return MESSAGES[language][key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''))
}

export function localized(language: Language, value: Localized | string | null | undefined): string {
  return typeof value === 'string' ? value : value?.[language] ?? value?.vi ?? ''
}

const LOCALES: Readonly<Record<Language, string>> = { vi: 'vi-VN', en: 'en-GB' }
const formats = new Map<string, Intl.NumberFormat>()

export function number(language: Language, value: number, digits = 0, exact = false): string {
  const key = `${language}${digits}${exact}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.NumberFormat(LOCALES[language], { maximumFractionDigits: digits, minimumFractionDigits: exact ? digits : 0 })
    formats.set(key, format)
  }
  return format.format(value)
}

export function dateTime(language: Language, value: Date, timeZone: string): string {
  return new Intl.DateTimeFormat(LOCALES[language], { timeZone, day: '2-digit', month: '2-digit', year: 'numeric', hour: '2-digit', minute: '2-digit' }).format(value)
}

/** `3 giờ 05 phút`: simulated time since the start. */
export function elapsed(language: Language, seconds: number): string {
  const minutes = Math.round(seconds / 60)
  return text(language, 'time.hours', { h: Math.floor(minutes / 60), m: String(minutes % 60).padStart(2, '0') })
}
