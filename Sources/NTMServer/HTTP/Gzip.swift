import CZlib

/// Packs bodies. It is of one thread, and takes 256 kB that are used again each time: to get them
/// anew costs as much as to pack 4 kB.
final class GzipCompressor {
  /// Replies are mostly numbers, which have little to pack: level 6 takes three times as long (26 MB
  /// a second instead of 60) for 6 % less.
  private static let level: Int32 = 1

  // zlib keeps the address.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

  init() {
    stream.initialize(to: z_stream())
    precondition(ntm_zlib_deflate_init(stream, Self.level) == Z_OK, "no memory for zlib")
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// - Returns: nil where that would not be shorter
  func compress(_ body: [UInt8]) -> [UInt8]? {
    guard !body.isEmpty, let count = UInt32(exactly: body.count) else { return nil }
    deflateReset(stream)
    var ended = false
    let packed = [UInt8](unsafeUninitializedCapacity: body.count - 1) { buffer, written in
      body.withUnsafeBufferPointer { body in
        stream.pointee.next_in = UnsafeMutablePointer(mutating: body.baseAddress)
        stream.pointee.avail_in = count
        stream.pointee.next_out = buffer.baseAddress
        stream.pointee.avail_out = UInt32(body.count - 1)
        ended = deflate(stream, Z_FINISH) == Z_STREAM_END
      }
      written = body.count - 1 - Int(stream.pointee.avail_out)
    }
    return ended ? packed : nil
  }
}

/// Unpacks a body that comes in parts. What is unpacked comes in blocks, so that a small part of
/// which much is made takes no memory.
final class GzipDecompressor {
  struct Failure: Error {
    let reason: String
  }

  private static let blockSize = 64 << 10

  // zlib keeps the address.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private var isWithinMember = false

  init() {
    stream.initialize(to: z_stream())
    precondition(ntm_zlib_inflate_init(stream) == Z_OK, "no memory for zlib")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Whether what has come so far is whole. Several members behind each other are (RFC 1952, section
  /// 2.2), and nothing is.
  var isComplete: Bool { !isWithinMember }

  /// Gives what the next part contains block by block to `take`, until that says false.
  func decompress(
    _ part: UnsafeRawBufferPointer, take: (UnsafeRawBufferPointer) -> Bool
  ) throws(Failure) {
    // Not kept: thousands of bodies may be on their way.
    let block = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: Self.blockSize)
    defer { block.deallocate() }
    let bytes = part.bindMemory(to: UInt8.self)
    stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
    stream.pointee.avail_in = UInt32(bytes.count)
    // A block that is full may have more behind it.
    var isFull = false
    while stream.pointee.avail_in > 0 || isFull {
      if !isWithinMember {
        inflateReset(stream)
        isWithinMember = true
      }
      stream.pointee.next_out = block.baseAddress
      stream.pointee.avail_out = UInt32(Self.blockSize)
      let code = inflate(stream, Z_NO_FLUSH)
      let count = Self.blockSize - Int(stream.pointee.avail_out)
      isFull = count == Self.blockSize
      switch code {
      case Z_STREAM_END:
        isWithinMember = false
        isFull = false
      case Z_OK, Z_BUF_ERROR: break
      default:
        throw Failure(reason: stream.pointee.msg.map { String(cString: $0) } ?? "damaged")
      }
      let isEnough = !take(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: block[..<count])))
      if isEnough { return }
    }
  }
}
