import Foundation
import Testing

@testable import NTMServer

/// Packed replies and bodies.
extension HTTPServerTests {
  // MARK: Replies

  @Test(
    arguments: ["/text", "/text-offload", "/text-later"], [1024, 5000, 16_384, 16_385, 500_000])
  func aLongReplyIsPackedForWhoAsks(_ path: String, _ count: Int) throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      let target = "\(path)?n=\(count)"
      let plain = try client.exchange("GET", target)
      #expect(plain.header("Content-Encoding") == nil)
      #expect(plain.header("Vary") == "Accept-Encoding")
      #expect(areEqual(plain.body, TestHandler.textBody(count)))
      let asked = [("Accept-Encoding", "br;q=1.0, gzip;q=0.8, *;q=0.1")]
      let packed = try client.exchange("GET", target, headers: asked)
      #expect(packed.status == 200)
      #expect(packed.header("Content-Encoding") == "gzip")
      #expect(packed.header("Vary") == "Accept-Encoding")
      #expect(packed.header("Content-Type") == "text/plain; charset=utf-8")
      #expect(packed.body.count < count)
      #expect(areEqual(try unpack(packed.body), plain.body))
      let head = try client.exchange("HEAD", target, headers: asked)
      #expect(head.header("Content-Encoding") == "gzip")
      #expect(head.header("Content-Length") == "\(packed.body.count)")
      #expect(try client.exchange("GET", "/").status == 200)
      #expect(
        handler.completed(count: 3).prefix(3).map(\.responseBytes)
          == [count, packed.body.count, 0])
    }
  }

  /// No cache keeps what answers a POST without being told for how long.
  @Test func whatAnswersAPostDoesNotSayThatItVaries() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      let plain = try client.exchange("POST", "/text?n=5000")
      #expect(plain.header("Vary") == nil)
      let packed = try client.exchange(
        "POST", "/text?n=5000", headers: [("Accept-Encoding", "gzip")])
      #expect(packed.header("Content-Encoding") == "gzip")
      #expect(packed.header("Vary") == nil)
      #expect(areEqual(try unpack(packed.body), plain.body))
    }
  }

  @Test(arguments: [
    (name: "a short one", target: "/text?n=1023"),
    (name: "one of no type", target: "/bytes?n=5000"),
    (name: "none", target: "/nothing"), (name: "a stream", target: "/lines-stream?max=100"),
  ])
  func otherRepliesAreNotPacked(_ reply: (name: String, target: String)) throws {
    try withServer { _, _, port in
      let response = try SocketClient(port: port).exchange(
        "GET", reply.target, headers: [("Accept-Encoding", "gzip")])
      #expect(response.header("Content-Encoding") == nil)
      #expect(response.header("Vary") == nil)
    }
  }

  /// Neither waits for room nor is refused: the work is done.
  @Test func aReplyIsSentAsItIsWhereNoWorkerIsFree() throws {
    let options = HTTPServer.Options.testing {
      $0.workers = 1
      $0.maxQueuedWork = 1
    }
    try withServer(options) { _, handler, port in
      let working = try (0..<2).map { _ in try SocketClient(port: port) }
      try working[0].send("GET", "/gated")
      handler.begun.pass()
      try working[1].send("GET", "/gated")
      // Until that one waits in the queue, one more is taken, and waits in its place.
      let client = try SocketClient(port: port)
      let refused = try SocketClient(port: port)
      try refused.send("GET", "/gated")
      if refused.hasInput(within: 100) {
        #expect(try refused.receive().status == 503)
      } else {
        #expect(try working[1].receive().status == 503)
      }
      let response = try client.exchange(
        "GET", "/text?n=100000", headers: [("Accept-Encoding", "gzip")])
      #expect(response.status == 200)
      #expect(response.header("Content-Encoding") == nil)
      #expect(response.header("Vary") == "Accept-Encoding")
      #expect(areEqual(response.body, TestHandler.textBody(100_000)))
      handler.gate.open()
    }
  }

  // MARK: Bodies

  /// What gzip(1) makes of "hello gzip" and a line's end.
  private static let hello = Array(
    Data(base64Encoded: "H4sIAAAAAAAAA8tIzcnJV0ivyizgAgA5fGNWCwAAAA==")!)
  /// And of "second member" and a line's end.
  private static let second = Array(
    Data(base64Encoded: "H4sIAAAAAAACAytOTc7PS1HITc1NSi3iAgA2GEsODgAAAA==")!)

  @Test(arguments: ["gzip", "GZIP", "x-gzip"], [1, 3, 1000])
  func aPackedBodyIsUnpacked(_ coding: String, _ chunk: Int) throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      for (body, text) in [
        (Self.hello, "hello gzip\n"), (Self.hello + Self.second, "hello gzip\nsecond member\n"),
      ] {
        let coding = [("Content-Encoding", coding)]
        let whole = try client.exchange("POST", "/x", headers: coding, body: body)
        #expect(whole.status == 200)
        #expect(whole.text.hasSuffix("from=127.0.0.1\n\(text)"))
        try client.send("POST", "/x", headers: coding + [("Transfer-Encoding", "chunked")])
        try client.send(chunked(body, by: chunk))
        #expect(try client.receive().text.hasSuffix("from=127.0.0.1\n\(text)"))
        let length = try client.exchange("POST", "/length", headers: coding, body: body)
        #expect(length.text == "\(text.utf8.count)")
      }
    }
  }

  @Test(arguments: ["/length", "/lines"])
  func anEmptyBodyNeedsNoPacking(_ path: String) throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      let coding = [("Content-Encoding", "gzip")]
      #expect(try client.exchange("POST", path, headers: coding).status == 200)
      try client.send("POST", path, headers: coding + [("Transfer-Encoding", "chunked")])
      try client.send(chunked([], by: 1))
      #expect(try client.receive().status == 200)
      #expect(
        try client.exchange(
          "POST", "/length", headers: [("Content-Encoding", "identity")], body: [1, 2, 3]
        ).text == "3")
    }
  }

  @Test(arguments: [100, EventLoop.memoryOfSpooled, EventLoop.memoryOfSpooled + 1, 5_000_000])
  func aPackedBodyIsSpooled(_ size: Int) throws {
    try withServer(.testing { $0.maxBodyBytes = 200_000 }) { _, _, port in
      let body = (0..<size).map { $0 % 50 == 49 ? 10 : UInt8(ascii: "a") + UInt8($0 / 50 % 20) }
      let packed = try pack(body)
      let response = try SocketClient(port: port).exchange(
        "POST", "/lines?max=\(size)", headers: [("Content-Encoding", "gzip")], body: packed)
      #expect(response.status == 200)
      // The handler joins the lines without the end of the last one.
      #expect(areEqual(response.body, body.last == 10 ? Array(body.dropLast()) : body))
      let refused = try SocketClient(port: port).exchange(
        "POST", "/lines?max=\(size - 1)", headers: [("Content-Encoding", "gzip")], body: packed)
      #expect(refused.status == 413)
    }
  }

  @Test func whatCannotBePackedHasTheSameLimit() throws {
    try withServer(.testing { $0.maxBodyBytes = 100_000 }) { _, _, port in
      var random = SystemRandomNumberGenerator()
      let body = (0..<100_000).map { _ in UInt8.random(in: 0...255, using: &random) }
      // As gzip does where deflating makes it longer: a block for each 65,535 bytes.
      var packed: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
      for start in stride(from: 0, to: body.count, by: 65_535) {
        let part = body[start..<min(start + 65_535, body.count)]
        let length = UInt16(part.count)
        packed.append(start + part.count == body.count ? 1 : 0)
        packed += [length, ~length].flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        packed += part
      }
      packed += littleEndian(crc32(body)) + littleEndian(UInt32(body.count))
      let client = try SocketClient(port: port)
      let response = try client.exchange(
        "POST", "/length", headers: [("Content-Encoding", "gzip")], body: packed)
      #expect(response.text == "100000")
    }
  }

  @Test(arguments: ["/x", "/lines?max=3000000"])
  func aBombIsRefused(_ target: String) throws {
    try withServer(.testing { $0.maxBodyBytes = 1_000_000 }) { _, _, port in
      let bomb = try pack([UInt8](repeating: 0, count: 50_000_000))
      #expect(bomb.count < 1_000_000)
      let client = try SocketClient(port: port)
      let response = try client.exchange(
        "POST", target, headers: [("Content-Encoding", "gzip")], body: bomb)
      #expect(response.status == 413)
      #expect(try client.exchange("GET", "/").status == 200)
    }
  }

  /// No more is unpacked than it takes to see that it is too much.
  @Test func aBombIsNotUnpackedToItsEnd() throws {
    let bomb = try pack([UInt8](repeating: 0, count: 50_000_000))
    var count = 0
    try bomb.withUnsafeBytes { bytes in
      try GzipDecompressor().decompress(bytes) { block in
        count += block.count
        return count <= 1_000_000
      }
    }
    #expect(count > 1_000_000)
    #expect(count < 1_200_000)
  }

  private static let damaged: [(name: String, body: [UInt8])] = [
    ("no gzip", Array("hello".utf8)),
    ("a wrong sum", Array(hello.dropLast(8)) + [0] + Array(hello.suffix(7))),
    ("a changed byte", Array(hello.prefix(10)) + [0xFF] + Array(hello.dropFirst(11))),
    ("cut off", Array(hello.dropLast())),
    ("only a header", Array(hello.prefix(10))),
    ("one byte", Array(hello.prefix(1))),
    ("something behind it", hello + [1]),
    ("half a second", hello + Array(second.prefix(20))),
  ]

  @Test(arguments: damaged)
  func aDamagedBodyIsRefused(_ damaged: (name: String, body: [UInt8])) throws {
    try withServer { _, _, port in
      for path in ["/x", "/lines"] {
        let client = try SocketClient(port: port)
        let response = try client.exchange(
          "POST", path, headers: [("Content-Encoding", "gzip")], body: damaged.body)
        #expect(response.status == 400)
        #expect(response.text.contains("s gzip "))
        #expect(try client.exchange("GET", "/").status == 200)
      }
    }
  }

  @Test(arguments: [["br"], ["deflate"], ["gzip, gzip"], ["gzip", "gzip"], ["gzip", "br"]])
  func anUnknownCodingIsRefused(_ codings: [String]) throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      let response = try client.exchange(
        "POST", "/x", headers: codings.map { ("Content-Encoding", $0) }, body: Self.hello)
      #expect(response.status == 415)
      #expect(response.header("Accept-Encoding") == "gzip")
    }
  }

  private func pack(_ body: [UInt8]) throws -> [UInt8] {
    try #require(GzipCompressor().compress(body))
  }

  private func unpack(_ packed: [UInt8]) throws -> [UInt8] {
    let decompressor = GzipDecompressor()
    var body: [UInt8] = []
    try packed.withUnsafeBytes { bytes in
      try decompressor.decompress(bytes) {
        body += $0
        return true
      }
    }
    try #require(decompressor.isComplete)
    return body
  }

  private func littleEndian(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }

  private func crc32(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1) * 0xEDB8_8320 }
    }
  }
}

@Suite struct ContentCodingTests {
  @Test(arguments: [
    (nil, false), ("", false), ("gzip", true), ("GZip", true), ("x-gzip", true), ("br", false),
    ("deflate, gzip", true), ("deflate, gzip;q=0", false), ("gzip ; q=0.001", true),
    ("gzip;q=0.000", false), ("*", true), ("*;q=0", false), ("*;q=0, gzip", true),
    ("gzip;q=0, *", false), ("identity", false), ("identity, gzip;q=0.5", false),
    ("identity;q=0.5, gzip", true), ("identity;q=0, gzip;q=0.1", true), ("gzip;q=x", false),
    ("gzip,identity", true), ("notgzip", false),
  ])
  func gzipIsAcceptedOrNot(_ header: String?, _ isAccepted: Bool) {
    #expect(ContentCoding.acceptsGzip(header) == isAccepted)
  }

  @Test(arguments: [
    ("application/json", true), ("Application/Problem+JSON", true), ("text/csv", true),
    ("text/html; charset=utf-8", true), ("application/x-ndjson", true), ("image/svg+xml", true),
    ("application/vnd.safetensors", false), ("application/octet-stream", false),
    ("image/png", false), ("", false),
  ])
  func typesArePackedOrNot(_ type: String, _ isPacked: Bool) {
    let body = [UInt8](repeating: 32, count: ContentCoding.shortestBody)
    var response = HTTPResponse(status: 200, contentType: type, body: body)
    #expect(ContentCoding.isWorthwhile(response) == isPacked)
    response.headers.append(("Content-Encoding", "br"))
    #expect(!ContentCoding.isWorthwhile(response))
  }
}
