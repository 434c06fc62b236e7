/* What Chromium has and TypeScript's libraries do not declare yet: a number as it was received. Not every
 * browser has it. */
interface JSON {
  rawJSON?(text: string): object;
  isRawJSON?(value: unknown): boolean;
}
