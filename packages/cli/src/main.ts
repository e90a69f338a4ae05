/**
 * main.ts — entry point of the netloom command.
 */
export {};
