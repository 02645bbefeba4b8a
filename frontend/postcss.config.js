// Tailwind makes the one style sheet.
export default { plugins: { tailwindcss: {}, autoprefixer: {} } };
