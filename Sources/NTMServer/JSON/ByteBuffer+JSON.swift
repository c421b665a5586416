internal import CDecimals

// JSON and CSV into a byte buffer. Structure is the caller's: these write values and their separators.

extension ByteBuffer {
  /// The shortest decimal that gives back the same float32. The value must be finite.
  mutating func appendNumber(_ value: Float) {
    withUnsafePointer(to: value) {
      appendValues(UnsafeBufferPointer(start: $0, count: 1))
    }
  }

  mutating func appendNumber(_ value: Int) { append(utf8: String(value)) }

  /// [a, b, …]
  mutating func appendArray(_ values: UnsafeBufferPointer<Float>) {
    append(UInt8(ascii: "["))
    appendValues(values)
    append(UInt8(ascii: "]"))
  }

  /// a,b,… and the end of the line: CSV. The end is that of shells, which would take the one of
  /// RFC 4180 for a part of the last value.
  mutating func appendLine(_ values: UnsafeBufferPointer<Float>) {
    appendValues(values)
    append(UInt8(ascii: "\n"))
  }

  private mutating func appendValues(_ values: UnsafeBufferPointer<Float>) {
    guard let first = values.baseAddress else { return }
    append(atMost: values.count * (Int(DECIMALS_LONGEST) + 1)) {
      decimals_write(first, values.count, $0)
    }
  }

  /// Elements between brackets, with commas.
  mutating func appendList(
    _ indices: some Sequence<Int>, _ element: (inout ByteBuffer, Int) -> Void
  ) {
    append(UInt8(ascii: "["))
    var isFirst = true
    for index in indices {
      if !isFirst { append(UInt8(ascii: ",")) }
      isFirst = false
      element(&self, index)
    }
    append(UInt8(ascii: "]"))
  }
}
