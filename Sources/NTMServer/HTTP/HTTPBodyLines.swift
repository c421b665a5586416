#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Why the lines of a body cannot be read on.
public enum HTTPBodyError: Error, Equatable {
  /// The line of this number, counted from 1, is longer than `limit` bytes.
  case lineTooLong(line: Int, limit: Int)
  /// The disk failed.
  case unreadable(reason: String)
}

/// The lines of a request's body, one after the other. It holds what it needs of the body: other
/// than the request, it may be used after the response is complete, on any thread. Two that begin
/// at the same request don't disturb each other.
///
/// Memory is bounded: beside the line, a block of the file.
public struct HTTPBodyLines: Sendable {
  private static let blockSize = 64 << 10

  private let limit: Int
  private let file: BodyFile?
  /// Of the next block.
  private var fileOffset = 0
  private var block: [UInt8]
  private var position = 0
  private var failure: HTTPBodyError?
  /// Of the lines given.
  private var count = 0

  /// - Parameters:
  ///   - head: the begin of the body
  ///   - file: the rest
  ///   - limit: bytes of the longest line without its end
  init(head: [UInt8], file: BodyFile?, limit: Int) {
    block = head
    self.file = file
    self.limit = limit
  }

  /// The next line without its end, which is `\n` or `\r\n`; nil after the last one, which needs no
  /// end. After an error there is only that error.
  public mutating func next() throws(HTTPBodyError) -> [UInt8]? {
    if let failure { throw failure }
    var line: [UInt8] = []
    while true {
      if position == block.count, try !nextBlock() {
        // A `\r` that no `\n` follows belongs to the line.
        return line.isEmpty ? nil : try give(line)
      }
      let end = endOfLine()
      line += block[position..<(end ?? block.count)]
      position = end.map { $0 + 1 } ?? block.count
      if end != nil {
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return try give(line)
      }
      // One more may be the `\r` of the line's end.
      if line.count - 1 > limit { return try give(line) }
    }
  }

  private mutating func give(_ line: [UInt8]) throws(HTTPBodyError) -> [UInt8] {
    guard line.count <= limit else { throw fail(.lineTooLong(line: count + 1, limit: limit)) }
    count += 1
    return line
  }

  private mutating func fail(_ error: HTTPBodyError) -> HTTPBodyError {
    failure = error
    block = []
    return error
  }

  /// Where the next `\n` of the block is.
  private func endOfLine() -> Int? {
    block.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return nil }
      let found = memchr(start + position, Int32(UInt8(ascii: "\n")), bytes.count - position)
      return found.map { UnsafeRawPointer($0) - start }
    }
  }

  private mutating func nextBlock() throws(HTTPBodyError) -> Bool {
    guard let file else { return false }
    do throws(BodyFile.Failure) {
      block = try file.read(from: fileOffset, atMost: Self.blockSize)
    } catch {
      throw fail(.unreadable(reason: error.reason))
    }
    fileOffset += block.count
    position = 0
    return !block.isEmpty
  }
}
