import Testing

@testable import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Request bodies that go to disk.
extension HTTPServerTests {
  private static let memory = EventLoop.memoryOfSpooled

  @Test(
    arguments: [0, 1, memory - 1, memory, memory + 1, memory + 65_536, 3_000_000],
    ["/lines", "/lines-stream"])
  func aSpooledBodyArrivesWhole(_ size: Int, _ path: String) throws {
    // Neither the memory's limit nor its own stands in the way.
    let options = HTTPServer.Options.testing { $0.maxBodyBytes = 200_000 }
    try withServer(options) { _, handler, port in
      let body = lines(size)
      let client = try SocketClient(port: port)
      let sent = try client.exchange("POST", "\(path)?max=\(size)", body: body)
      #expect(sent.status == 200)
      #expect(areEqual(sent.body, body))
      try client.send("POST", "\(path)?max=\(size)", headers: [("Transfer-Encoding", "chunked")])
      try client.send(chunked(body, by: 40_000))
      #expect(areEqual(try client.receive().body, body))
      #expect(handler.completed(count: 2).map(\.responseBytes) == [size, size])
    }
  }

  @Test(arguments: [Self.memory - 5, Self.memory, 2_000_000])
  func aSpooledBodyOverItsLimitIsRefused(_ limit: Int) throws {
    let options = HTTPServer.Options.testing { $0.maxBodyBytes = 200_000 }
    try withServer(options) { _, handler, port in
      let target = "/lines?max=\(limit)"
      let body = lines(limit + 1)
      let unread = try SocketClient(port: port)
      try unread.send("POST", target, headers: [("Content-Length", "\(body.count)")])
      let early = try unread.receive()
      #expect(early.status == 413)
      #expect(early.text == "/lines refused: bodyTooLarge(limit: \(limit))")
      #expect(try unread.isClosedByServer())

      let client = try SocketClient(port: port)
      try client.send("POST", target, headers: [("Transfer-Encoding", "chunked")])
      try client.send(chunked(body, by: 100_000))
      let late = try client.receive()
      #expect(late.status == 413)
      #expect(late.text == "/lines refused: bodyTooLarge(limit: \(limit))")
      #expect(try client.exchange("GET", "/").status == 200)
    }
  }

  @Test func aBodyInMemoryHasTheLesserLimit() throws {
    try withServer(.testing { $0.maxBodyBytes = 1000 }) { _, _, port in
      for (asked, limit) in [(100, 100), (1000, 1000), (5000, 1000)] {
        let client = try SocketClient(port: port)
        let target = "/memory?max=\(asked)"
        let body = [UInt8](repeating: 1, count: limit)
        #expect(try client.exchange("POST", target, body: body).status == 200)
        let response = try client.exchange("POST", target, body: body + [1])
        #expect(response.text == "/memory refused: bodyTooLarge(limit: \(limit))")
      }
    }
  }

  @Test func anEndlessSpooledBodyIsCutOff() throws {
    try withServer(.testing { $0.maxBodyBytes = 1000 }) { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("POST", "/lines?max=2000000", headers: [("Transfer-Encoding", "chunked")])
      let part = Array("10000\r\n".utf8) + [UInt8](repeating: 1, count: 65_536) + [13, 10]
      #expect(throws: SocketClient.Failure.self) {
        for _ in 0..<1000 { try client.send(part) }
      }
    }
  }

  @Test(arguments: ["\n", "\r\n"])
  func aLineOverTheLimitIsAnError(_ end: String) throws {
    try withServer(.testing { $0.maxBodyBytes = 1000 }) { _, _, port in
      // With the end of the block behind memory in the middle of a line.
      let many = String(repeating: String(repeating: "x", count: 1000) + end, count: 1100)
      for (length, status) in [(1000, 200), (1001, 422)] {
        for last in [end, ""] {
          let body = many + String(repeating: "y", count: length) + last
          let client = try SocketClient(port: port)
          let response = try client.exchange("POST", "/lines", body: Array(body.utf8))
          #expect(response.status == status)
          if status == 422 { #expect(response.text == "lineTooLong(line: 1101, limit: 1000)") }
        }
      }
    }
  }

  @Test(arguments: ["Content-Length", "chunked"])
  func aBodyThatCannotBeStoredIsRefused(_ framing: String) throws {
    let options = HTTPServer.Options.testing { $0.temporaryDirectory = "/no/such/directory" }
    try withServer(options) { _, handler, port in
      let client = try SocketClient(port: port)
      for (size, status) in [(Self.memory, 200), (Self.memory + 1, 500), (3_000_000, 500)] {
        let body = lines(size)
        if framing == "chunked" {
          try client.send("POST", "/lines", headers: [("Transfer-Encoding", "chunked")])
          try client.send(chunked(body, by: 50_000))
        } else {
          try client.send("POST", "/lines", body: body)
        }
        let response = try client.receive()
        #expect(response.status == status)
        if status == 200 { continue }
        #expect(response.text.contains("bodyNotStored"))
        #expect(response.text.contains("/no/such/directory: No such file or directory"))
        // Waiting does not help.
        #expect(response.header("Retry-After") == nil)
      }
      // The handler has seen only complete bodies.
      #expect(handler.completed(count: 3).map(\.status) == [200, 500, 500])
    }
  }

  @Test func aClientThatLeavesWithinASpooledBodyHarmsNobody() throws {
    try withServer { server, _, port in
      for _ in 0..<10 {
        let client = try SocketClient(port: port)
        try client.send("POST", "/lines", headers: [("Content-Length", "10000000")])
        try client.send(lines(2_000_000))
        client.close()
      }
      #expect(server.stop(drainTimeout: .seconds(30)) == .drained)
    }
  }

  #if os(Linux)
    /// In a process of its own, whose files are not allowed to grow: the disk is full in the middle.
    @Test func aFullDiskIsRefused() async {
      await #expect(processExitsWith: .success) {
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 500_000, rlim_max: 500_000)
        setrlimit(__rlimit_resource_t(UInt32(RLIMIT_FSIZE.rawValue)), &limit)
        try withServer { _, handler, port in
          let client = try SocketClient(port: port)
          let memory = EventLoop.memoryOfSpooled
          for (size, status) in [(memory + 500_000, 200), (memory + 500_001, 503)] {
            let response = try client.exchange("POST", "/lines", body: lines(size))
            try #require(response.status == status)
          }
          try #require(handler.completed(count: 2).map(\.status) == [200, 503])
        }
      }
    }

    /// In a process of its own, for its memory and descriptors.
    @Test func aLongBodyTakesLittleMemoryAndLeavesNothing() async {
      await #expect(processExitsWith: .success) {
        var template = Array("/tmp/ntm-test-XXXXXX".utf8CString)
        mkdtemp(&template)
        let directory = String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self)
        defer { rmdir(directory) }
        try withServer(.testing { $0.temporaryDirectory = directory }) { _, handler, port in
          let client = try SocketClient(port: port)
          try #require(try client.exchange("POST", "/count", body: lines(2_000_000)).status == 200)
          let (block, count) = (lines(1 << 20), 80)
          // The end of a block and the begin of the next make one line.
          let expected =
            block.split(separator: 10, omittingEmptySubsequences: false).count * count - (count - 1)
          let (memory, descriptors) = (peakMemory(), openDescriptors())
          try client.send(
            "POST", "/count?max=1000000000",
            headers: [("Content-Length", "\(block.count * count)")])
          for _ in 0..<count { try client.send(block) }
          try #require(try client.receive().text == "\(expected)")
          try #require(peakMemory() - memory < 24 << 20)
          // A worker closes the file.
          try #require(waitUntil { openDescriptors() == descriptors })
          // The files have no names.
          try #require(rmdir(directory) == 0)
        }
      }
    }
  #endif
}

@Suite struct HTTPBodyLinesTests {
  @Test(
    arguments: [
      (body: "", lines: []),
      (body: "a", lines: ["a"]),
      (body: "a\n", lines: ["a"]),
      (body: "a\nb", lines: ["a", "b"]),
      (body: "a\r\nb\r\n", lines: ["a", "b"]),
      (body: "\n\na\n", lines: ["", "", "a"]),
      (body: "\r\n\r\n", lines: ["", ""]),
      (body: "a\rb\r\r\nc\r", lines: ["a\rb\r", "c\r"]),
    ])
  func splits(_ body: String, _ lines: [String]) throws {
    var iterator = HTTPRequest(method: "POST", path: "/", body: Array(body.utf8)).bodyLines
    var found: [String] = []
    while let line = try iterator.next() { found.append(String(decoding: line, as: UTF8.self)) }
    #expect(found == lines)
    #expect(try iterator.next() == nil)
  }

  @Test func anErrorIsTheLastThing() throws {
    let request = HTTPRequest(
      method: "POST", path: "/", body: Array("four\nseventh\nfour".utf8), maxLineBytes: 6)
    var lines = request.bodyLines
    #expect(try lines.next() == Array("four".utf8))
    for _ in 0..<2 {
      #expect(throws: HTTPBodyError.lineTooLong(line: 2, limit: 6)) { try lines.next() }
    }
    #expect(request.bodyCount == 17)
  }

  /// A line end at every place relative to the end of what is in memory and of each block.
  @Test(arguments: [65_533, 65_534, 65_535, 65_536, 65_537])
  func linesGoOnFromMemoryIntoTheFile(_ length: Int) throws {
    let file = try BodyFile(in: "/tmp", budget: BodyBudget(memory: 0, disk: 1 << 30))
    let line = [UInt8](repeating: 7, count: length)
    let rest = Array((0..<5).map { _ in line }.joined(separator: [13, 10]))
    try rest.withUnsafeBytes { bytes in Result { try file.append(bytes) } }.get()
    var lines = HTTPBodyLines(head: [1, 2], file: file, limit: 1 << 20)
    #expect(try lines.next() == [1, 2] + line)
    // A copy reads on by itself.
    var copy = lines
    for _ in 0..<4 { #expect(try lines.next() == line) }
    for _ in 0..<4 { #expect(try copy.next() == line) }
    #expect(try lines.next() == nil)
  }
}

/// So many bytes in lines of many lengths, the last without an end.
private func lines(_ count: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 150_000)
  var length = 0
  while bytes.count < count {
    // One is longer than a block of the file.
    let isLong = bytes.count > EventLoop.memoryOfSpooled && length < 1000
    bytes += [UInt8](repeating: UInt8(97 + length % 26), count: isLong ? 150_000 : length % 1000)
    bytes.append(10)
    length += isLong ? 1000 : 37
  }
  bytes.removeLast(bytes.count - count)
  if bytes.last == 10 { bytes[bytes.count - 1] = 97 }
  return bytes
}
