#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A body that is `{"input": [ … ]}` and nothing else, as that of nearly every step is: read without a
/// tree of values, whose making and freeing costs more than all else of a step's JSON.
struct PlainInput {
  private let text: UnsafeBufferPointer<UInt8>
  private var position = 0

  /// - Parameters:
  ///   - size: values that the model takes
  ///   - input: what is in it makes room for them
  /// - Returns: false for any other body, be it right or wrong, which is then to be read as JSON
  static func read(_ body: borrowing [UInt8], size: Int, into input: inout [Float]) -> Bool {
    body.withUnsafeBufferPointer { text in
      var reader = PlainInput(text: text)
      input.removeAll(keepingCapacity: true)
      input.reserveCapacity(size)
      return reader.read(size, into: &input)
    }
  }

  private init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

  private mutating func read(_ size: Int, into input: inout [Float]) -> Bool {
    guard take("{"), take("\"input\""), take(":"), take("[") else { return false }
    repeat {
      guard input.count < size, let value = number() else { return false }
      input.append(value)
    } while take(",")
    guard input.count == size, take("]"), take("}") else { return false }
    skipSpace()
    return position == text.count
  }

  private mutating func skipSpace() {
    while position < text.count, text[position] <= 0x20 {
      switch text[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  /// Takes a text, if it comes next.
  private mutating func take(_ expected: StaticString) -> Bool {
    skipSpace()
    let end = position + expected.utf8CodeUnitCount
    guard end <= text.count,
      memcmp(text.baseAddress! + position, expected.utf8Start, expected.utf8CodeUnitCount) == 0
    else { return false }
    position = end
    return true
  }

  /// nil for what is no number, or none of float32.
  private mutating func number() -> Float? {
    skipSpace()
    // A bit, as most inputs are made of.
    if position + 1 < text.count, JSONNumber.isDigit(text[position]),
      text[position + 1] == UInt8(ascii: ",") || text[position + 1] == UInt8(ascii: "]")
    {
      position += 1
      return Float(text[position - 1] & 15)
    }
    var number = JSONNumber(text, from: position)
    guard let value = try? number.read() else { return nil }
    position = number.end
    let float = Float(value)
    return float.isFinite ? float : nil
  }
}
