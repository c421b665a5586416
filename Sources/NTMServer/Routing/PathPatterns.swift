#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Where the parts of a request's path are that a pattern leaves open.
struct RequestPath: Sendable {
  /// Of a pattern.
  static let mostParameters = 2
  private(set) var parameters = InlineArray<2, Range<Int>>(repeating: 0..<0)
  private(set) var count = 0

  fileprivate mutating func add(_ parameter: Range<Int>) {
    parameters[count] = parameter
    count += 1
  }
}

/// Patterns of paths such as "/sessions/{id}/step", compared with requests' paths byte by byte:
/// characters would cost several times as much.
///
/// `@unchecked Sendable`: all of it is constant.
final class PathPatterns: @unchecked Sendable {
  /// What stands before, between and behind the variable parts of a pattern: one more than there are
  /// of these.
  private struct Pattern {
    let first: Int
    let count: Int
  }

  /// Of all patterns, one behind the other. Plain memory, so that a look at it counts no references,
  /// which threads would share.
  private let literals: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>
  private let patterns: UnsafeMutableBufferPointer<Pattern>
  private let text: UnsafeMutableRawBufferPointer

  init(_ texts: [String]) {
    let parts = texts.map(Self.literals)
    text = .allocate(byteCount: parts.joined().reduce(1) { $0 + $1.count }, alignment: 1)
    literals = .allocate(capacity: parts.reduce(0) { $0 + $1.count })
    patterns = .allocate(capacity: parts.count)
    var (literal, end) = (0, 0)
    for (index, parts) in parts.enumerated() {
      precondition(
        parts.count <= RequestPath.mostParameters + 1,
        "too many parts of \(texts[index]) are variable")
      patterns.initializeElement(at: index, to: Pattern(first: literal, count: parts.count))
      for part in parts {
        let place = UnsafeMutableRawBufferPointer(rebasing: text[end..<end + part.count])
        place.copyBytes(from: part)
        literals.initializeElement(at: literal, to: UnsafeRawBufferPointer(place))
        literal += 1
        end += part.count
      }
    }
  }

  deinit {
    literals.deallocate()
    patterns.deallocate()
    text.deallocate()
  }

  private static func literals(of pattern: String) -> [[UInt8]] {
    var literals: [[UInt8]] = [[]]
    var isVariable = false
    for byte in pattern.utf8 {
      switch byte {
      case UInt8(ascii: "{"): isVariable = true
      case UInt8(ascii: "}"):
        isVariable = false
        literals.append([])
      default: if !isVariable { literals[literals.count - 1].append(byte) }
      }
    }
    return literals
  }

  /// The first pattern from `first` on that a path has.
  func match(
    _ path: UnsafeRawBufferPointer, from first: Int
  ) -> (index: Int, path: RequestPath)? {
    for index in first..<max(first, patterns.count) {
      if let match = match(patterns[index], path) { return (index, match) }
    }
    return nil
  }

  private func match(
    _ pattern: Pattern, _ path: UnsafeRawBufferPointer
  ) -> RequestPath? {
    let begin = literals[pattern.first]
    guard has(path, begin, at: 0) else { return nil }
    var match = RequestPath()
    var position = begin.count
    for literal in pattern.first + 1..<pattern.first + pattern.count {
      let begin = position
      position = Self.endOfSegment(path, from: position)
      guard position > begin, has(path, literals[literal], at: position) else { return nil }
      match.add(begin..<position)
      position += literals[literal].count
    }
    return position == path.count ? match : nil
  }

  private static func endOfSegment(_ path: UnsafeRawBufferPointer, from position: Int) -> Int {
    guard let start = path.baseAddress, position < path.count,
      let slash = memchr(start + position, Int32(UInt8(ascii: "/")), path.count - position)
    else { return path.count }
    return UnsafeRawPointer(slash) - start
  }

  private func has(
    _ path: UnsafeRawBufferPointer, _ literal: UnsafeRawBufferPointer, at position: Int
  ) -> Bool {
    guard position + literal.count <= path.count else { return false }
    return literal.isEmpty
      || memcmp(path.baseAddress! + position, literal.baseAddress!, literal.count) == 0
  }
}
