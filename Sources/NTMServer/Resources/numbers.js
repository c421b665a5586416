/** Numbers as people read them. */

/** @returns {string} three figures behind the point, or a power of ten for what is very small */
export function short(value) {
  if (value === undefined || value === null) return '–';
  const size = Math.abs(value);
  if (size !== 0 && size < 0.0005) return value.toExponential(1).replace('-', '−');
  return (size < 100 ? value.toFixed(3) : value.toFixed(1)).replace('-', '−');
}

/** @returns {string} as few figures as tell it from a bit */
export function brief(value) {
  if (value === undefined) return '–';
  return Number(value.toFixed(2)).toString().replace(/^(-?)0\./, '$1.').replace('-', '−');
}

/** @returns {string} thousands apart */
export const count = (value) => value.toLocaleString('en');

/** @returns {string} bytes */
export function bytes(value) {
  if (value < 1024) return `${value} B`;
  if (value < 1024 ** 2) return `${(value / 1024).toFixed(1)} KiB`;
  return `${(value / 1024 ** 2).toFixed(1)} MiB`;
}

/** @returns {string} how long something took, or is ago */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

/** @returns {string} one thing, or several */
export const plural = (number, one) => `${count(number)} ${number === 1 ? one : `${one}s`}`;
