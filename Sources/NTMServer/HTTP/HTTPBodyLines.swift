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
  /// The body's gzip is damaged.
  case damaged(reason: String)
  /// The body, unpacked, is longer than `limit` bytes.
  case tooLong(limit: Int)
}

/// The lines of a request's body, one after the other. It holds what it needs of the body: other
/// than the request, it may be used after the response is complete, on any thread. Two that begin
/// at the same request don't disturb each other.
///
/// Memory is bounded: beside the line, a block of the file.
public struct HTTPBodyLines: Sendable {
  private static let blockSize = 64 << 10

  /// Bytes of a packed block. Gzip makes at most 1,032 times as many of them.
  private static let packedBlockSize = 1 << 10

  private let limit: Int
  /// For the memory that parsing a line needs; nil if it is not limited.
  let budget: BodyBudget?
  private var source: Source
  private var unpacker: Unpacker?
  private var block: [UInt8] = []
  private var position = 0
  private var failure: HTTPBodyError?
  /// Of the lines given.
  private var count = 0

  /// - Parameters:
  ///   - head: the begin of the body
  ///   - file: the rest
  ///   - limit: bytes of the longest line without its end
  ///   - unpackedLimit: bytes of the longest body after unpacking; nil if it is not packed
  ///   - budget: of the memory that parsing a line needs
  init(
    head: [UInt8], file: BodyFile?, limit: Int, unpackedLimit: Int? = nil,
    budget: BodyBudget? = nil
  ) {
    self.budget = budget
    source = Source(head: head, file: file)
    self.limit = limit
    unpacker = unpackedLimit.map(Unpacker.init)
    if unpacker == nil { block = source.takeHead() }
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

  /// Reads to the end of the body.
  ///
  /// - Returns: its bytes after unpacking
  mutating func countBytes() throws(HTTPBodyError) -> Int {
    var bytes = block.count
    while try nextBlock() { bytes += block.count }
    return bytes
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
    do throws(HTTPBodyError) {
      guard let unpacker else {
        block = try source.next(atMost: Self.blockSize)
        position = 0
        return !block.isEmpty
      }
      repeat {
        let packed = try source.next(atMost: Self.packedBlockSize)
        if packed.isEmpty {
          try unpacker.end()
          return false
        }
        block = try unpacker.unpack(packed)
        position = 0
      } while block.isEmpty
      return true
    } catch {
      throw fail(error)
    }
  }

  /// The body as it was sent.
  private struct Source: Sendable {
    private var head: [UInt8]
    private var headOffset = 0
    private let file: BodyFile?
    private var fileOffset = 0

    init(head: [UInt8], file: BodyFile?) {
      self.head = head
      self.file = file
    }

    mutating func takeHead() -> [UInt8] {
      defer { head = [] }
      return head
    }

    /// The next bytes; none at the end.
    mutating func next(atMost size: Int) throws(HTTPBodyError) -> [UInt8] {
      if headOffset < head.count {
        let part = head[headOffset...].prefix(size)
        headOffset += part.count
        return Array(part)
      }
      guard let file else { return [] }
      do throws(BodyFile.Failure) {
        let bytes = try file.read(from: fileOffset, atMost: size)
        fileOffset += bytes.count
        return bytes
      } catch {
        throw .unreadable(reason: error.reason)
      }
    }
  }

  /// `@unchecked Sendable`: it belongs to the lines, which one thread reads at a time.
  private final class Unpacker: @unchecked Sendable {
    private let decompressor = GzipDecompressor()
    private let limit: Int
    private var bytes = 0

    init(limit: Int) { self.limit = limit }

    func unpack(_ packed: [UInt8]) throws(HTTPBodyError) -> [UInt8] {
      var unpacked: [UInt8] = []
      do throws(GzipDecompressor.Failure) {
        try packed.withUnsafeBufferPointer { packed throws(GzipDecompressor.Failure) in
          try decompressor.decompress(UnsafeRawBufferPointer(packed)) {
            unpacked += $0
            return true
          }
        }
      } catch {
        throw .damaged(reason: error.reason)
      }
      bytes += unpacked.count
      guard bytes <= limit else { throw .tooLong(limit: limit) }
      return unpacked
    }

    /// - Throws: `damaged` if the gzip is not complete.
    func end() throws(HTTPBodyError) {
      if !decompressor.isComplete { throw .damaged(reason: "it ends too early") }
    }
  }
}
