// Undoes ``packed`` of numbers.py: values, null where one is missing.
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUE_OF = new Map([...DIGITS].map((digit, value) => [digit, value]));

function unpack({ low, step, digits, text }) {
  const values = [], scale = Math.round(1 / step);
  for (let at = 0; at < text.length; at += digits) {
    let number = 0;
    for (const digit of text.slice(at, at + digits)) number = number * DIGITS.length + VALUE_OF.get(digit);
    const multiple = number - 1 + low;
    values.push(number === 0 ? null : scale > 1 ? multiple / scale : multiple * step);
  }
  return values;
}
