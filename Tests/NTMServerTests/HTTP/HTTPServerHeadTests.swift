import Testing

@testable import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Heads that another parser may understand in another way, and those that are merely unusual.
extension HTTPServerTests {
  private static let smuggled = "DELETE /second HTTP/1.1\r\nHost: a\r\n\r\n"

  private static let malformedHeads: [(name: String, text: String)] = [
    ("white space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 50\r\n\r\n"),
    ("tab before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 50\r\n\r\n"),
    ("an empty name, last", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n"),
    ("an empty name, first", "GET / HTTP/1.1\r\n: x\r\nHost: a\r\n\r\n"),
    ("an empty name in the middle", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\nA: b\r\n\r\n"),
    ("a name with a space", "GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n"),
    ("a name with brackets", "GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n"),
    ("a name that is not ASCII", "GET / HTTP/1.1\r\nHost: a\r\nXé: b\r\n\r\n"),
    ("a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
    ("a folded last line", "GET / HTTP/1.1\r\nX: a\r\nHost: a\r\n b\r\n\r\n"),
    ("a line that ends with LF", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
    ("a request line that ends with LF", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("a head that ends with LF", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    ("lines that all end with LF", "GET / HTTP/1.1\nHost: a\n\n"),
    ("a bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
    ("a NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
    ("a NUL at the end of a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0\r\n\r\n"),
    ("a NUL in the host", "GET / HTTP/1.1\r\nHost: a\0.evil\r\n\r\n"),
    ("an escape character in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{1B}[31m\r\n\r\n"),
    ("a NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a NUL in the query", "GET /a?b\0c HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a control character in the target", "GET /a\u{7}b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a method that is not a token", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
      "chunked, then gzip",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"
    ),
    (
      "identity, then chunked",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    (
      "chunked with a length",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"
    ),
    ("two keys", "POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n"),
    ("two types", "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n"),
    ("two origins", "GET / HTTP/1.1\r\nHost: a\r\nOrigin: null\r\nOrigin: null\r\n\r\n"),
    ("two tokens", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"),
    ("a target that is no path", "GET livez HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a target with a user", "GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a target without a host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
  ]

  /// The answer is one 400, the connection is closed, and its next request is not carried out.
  @Test(arguments: malformedHeads)
  func malformedHeadIsRefusedOnce(_ head: (name: String, text: String)) throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      try client.send(head.text + Self.smuggled)
      let response = try client.receive()
      #expect(response.status == 400)
      #expect(try client.isClosedByServer())
      #expect(!handler.completed(count: 1).contains { $0.path == "/second" })
    }
  }

  /// libmicrohttpd parses the length before it calls us.
  @Test(arguments: ["5x", "+2", "-1", "2,2", "0x2", "2 ", "", "99999999999999999999999"])
  func malformedLengthIsAnsweredOnce(_ length: String) throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n{}")
      let all = String(decoding: try client.receiveRest(), as: UTF8.self)
      #expect(all.hasPrefix("HTTP/1.1 4"))
      #expect(all.components(of: "HTTP/1.1 ") == 1)
    }
  }

  @Test(arguments: ["Host: a ", "Host: a\t", "X: b  ", "Content-Encoding: identity "])
  func whiteSpaceBehindAValueIsStripped(_ line: String) throws {
    try withServer { _, _, port in
      let host = line.hasPrefix("Host") ? "" : "Host: a\r\n"
      let client = try SocketClient(port: port)
      try client.send("POST /length HTTP/1.1\r\n\(host)\(line)\r\nContent-Length: 2\r\n\r\n{}")
      #expect(try client.receive().text == "2")
    }
  }

  @Test(arguments: [
    ("http://b.example/x?n=1", ("/x", "b.example")), ("HTTP://b.example/x", ("/x", "b.example")),
    ("https://b.example:81/x", ("/x", "b.example:81")), ("http://b.example", ("/", "b.example")),
    ("http://b.example?n=1", ("/", "b.example")), ("/x", ("/x", "a")),
  ])
  func absoluteTargetReplacesTheHost(_ target: String, _ expected: (path: String, host: String))
    throws
  {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
      let response = try client.receive()
      #expect(response.status == 200)
      #expect(response.text.hasPrefix("GET \(expected.path)\n"))
      #expect(response.header("X-Host") == expected.host)
    }
  }

  #if os(Linux)
    /// A chunk line that fills the connection's buffer, on connections that stay open.
    @Test(arguments: [
      "2;" + String(repeating: "a", count: 9000),
      "2\r\n{}\r\n2;" + String(repeating: "a", count: 9000),
    ])
    func longChunkExtensionIsRefused(_ body: String) throws {
      try withServer { _, _, port in
        let client = try SocketClient(port: port)
        try client.send(
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        #expect(try client.receive().status == 400)
        #expect(try client.isClosedByServer())
        #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
      }
    }
  #endif

  /// A client that pauses within a short chunk line is not cut off.
  @Test func pauseInAChunkLineIsNoStall() throws {
    try withServer { _, _, port in
      let slow = try SocketClient(port: port)
      try slow.send(
        "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n3")
      // Another client makes the library run without progress.
      let attacker = try SocketClient(port: port)
      try attacker.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;"
          + String(repeating: "a", count: 9000))
      #expect(try attacker.receive().status == 400)
      try slow.send("\r\nabc\r\n0\r\n\r\n")
      #expect(try slow.receive().text == "5")
    }
  }
}

extension String {
  fileprivate func components(of part: String) -> Int {
    var (count, rest) = (0, self[...])
    while let found = rest.firstRange(of: part) {
      count += 1
      rest = rest[found.upperBound...]
    }
    return count
  }
}
