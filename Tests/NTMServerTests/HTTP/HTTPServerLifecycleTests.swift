import Testing

@testable import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Starting and stopping.
extension HTTPServerTests {
  @Test func stopLetsRunningWorkFinish() throws {
    let handler = TestHandler()
    let server = HTTPServer(options: HTTPServer.Options(), handler: handler)
    try server.start()
    let port = server.port!
    let idle = try SocketClient(port: port)
    #expect(try idle.exchange("GET", "/").status == 200)
    let working = try SocketClient(port: port)
    try working.send("POST", "/gated", body: Array("work".utf8))
    handler.begun.pass()

    let ending = Stopping(server, drainTimeout: .seconds(60))
    // Once nobody listens any more, the server drains.
    while let late = try? SocketClient(port: port) { late.close() }
    handler.gate.open()
    let response = try working.receive()
    #expect(response.text.hasSuffix("\nwork"))
    #expect(response.header("Connection") == "close")
    #expect(ending.wait() == .drained)
    #expect(try idle.isClosedByServer())
    #expect(server.port == nil)
  }

  @Test func aRequestWhileDrainingIsRefused() throws {
    var options = HTTPServer.Options()
    options.eventLoops = 1
    let handler = TestHandler()
    let server = HTTPServer(options: options, handler: handler)
    try server.start()
    let port = server.port!
    let working = try SocketClient(port: port)
    let open = try SocketClient(port: port)
    #expect(try open.exchange("GET", "/").status == 200)
    try working.send("GET", "/gated")
    handler.begun.pass()
    let ending = Stopping(server, drainTimeout: .seconds(60))
    while let late = try? SocketClient(port: port) { late.close() }
    let refused = try open.exchange("GET", "/late")
    #expect(refused.status == 503)
    #expect(refused.text == "/late refused: draining")
    #expect(refused.header("Connection") == "close")
    #expect(refused.header("Retry-After") != nil)
    handler.gate.open()
    #expect(try working.receive().status == 200)
    #expect(ending.wait() == .drained)
  }

  @Test func aClientThatLeavesBeforeItsBodyIsNotWaitedFor() throws {
    try withServer { server, _, port in
      // With most of them the end arrives together with the headers.
      for _ in 0..<20 {
        let leaving = try SocketClient(port: port)
        try leaving.send("POST", "/x", headers: [("Content-Length", "10")])
        leaving.close()
      }
      // Whoever is answered last has made sure that the loops have seen them.
      for _ in 0..<32 { #expect(try SocketClient(port: port).exchange("GET", "/").status == 200) }
      #expect(server.stop(drainTimeout: .seconds(30)) == .drained)
    }
  }

  @Test func stopGivesUpAtItsTimeout() throws {
    var options = HTTPServer.Options()
    options.workers = 1
    let handler = TestHandler()
    let server = HTTPServer(options: options, handler: handler)
    try server.start()
    let port = server.port!
    let working = try SocketClient(port: port)
    try working.send("GET", "/gated")
    handler.begun.pass()
    let waiting = try SocketClient(port: port)
    try waiting.send("GET", "/gated")
    let uploading = try SocketClient(port: port)
    try uploading.send("POST", "/x", headers: [("Content-Length", "10")])
    // Whoever is answered last has made sure that the loops have seen the others.
    for _ in 0..<32 { #expect(try SocketClient(port: port).exchange("GET", "/").status == 200) }

    guard case .abandoned(let requests) = server.stop(drainTimeout: .milliseconds(200)) else {
      Issue.record("the running work was not noticed")
      return
    }
    #expect((1...3).contains(requests))
    // Work that had not begun is refused, and the work that goes on is answered after all.
    #expect(try waiting.receive().text == "/gated refused: draining")
    handler.gate.open()
    #expect(try working.receive().status == 200)
    #expect(try uploading.isClosedByServer())
  }

  /// It can't say yet how many requests it has, but it has some.
  @Test func aLoopThatIsHeldUpIsNotDrained() throws {
    try withServer { server, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/held")
      handler.begun.pass()
      #expect(server.stop(drainTimeout: .zero) == .abandoned(requests: 1))
      handler.gate.open()
    }
  }

  @Test func stopClosesIdleConnections() throws {
    try withServer { server, _, port in
      let clients = try (0..<20).map { _ in try SocketClient(port: port) }
      for client in clients.prefix(10) { #expect(try client.exchange("GET", "/").status == 200) }
      #expect(server.stop(drainTimeout: .seconds(60)) == .drained)
      for client in clients { #expect(try client.isClosedByServer()) }
      #expect(server.stop(drainTimeout: .zero) == .notRunning)
    }
  }

  @Test func aSecondServerOnThePortIsRefused() throws {
    try withServer { server, _, port in
      var options = HTTPServer.Options()
      options.port = port
      let second = HTTPServer(options: options, handler: TestHandler())
      let refusal = HTTPServerError.addressInUse(host: "127.0.0.1", port: port)
      #expect(throws: refusal) { try second.start() }
      #expect("\(refusal)" == "address already in use: 127.0.0.1 port \(port)")
      #expect(throws: HTTPServerError.alreadyRunning) { try server.start() }
      // Both have left the first alone, whose connections in TIME_WAIT don't keep the port.
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
      server.stop(drainTimeout: .seconds(30))
      try second.start()
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
      #expect(second.stop(drainTimeout: .seconds(30)) == .drained)
    }
  }

  @Test(arguments: ["256.1.1.1", "no.such.host.invalid", ""])
  func aHostThatDoesNotResolveIsATypedError(_ host: String) {
    var options = HTTPServer.Options()
    options.host = host
    let error = #expect(throws: HTTPServerError.self) {
      try HTTPServer(options: options, handler: TestHandler()).start()
    }
    guard case .unknownHost(host, _) = error else {
      Issue.record("\(host): \(String(describing: error))")
      return
    }
  }

  @Test func anAddressOfAnotherMachineIsATypedError() {
    var options = HTTPServer.Options()
    options.host = "192.0.2.1"
    let error = #expect(throws: HTTPServerError.self) {
      try HTTPServer(options: options, handler: TestHandler()).start()
    }
    guard case .cannotListen("192.0.2.1", 0, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// Where the process may not have that priority, the server does not start.
  @Test func eventLoopsHaveRealTimePriority() throws {
    let options = HTTPServer.Options.testing { $0.isRealTime = true }
    // On a thread of its own, which keeps the priority.
    let isPermitted = Monitor(false)
    try SystemThread {
      var parameters = sched_param()
      parameters.sched_priority = 1
      let code = pthread_setschedparam(pthread_self(), SCHED_RR, &parameters)
      isPermitted.withLock { $0 = code == 0 }
    }.join()
    guard isPermitted.withLock({ $0 }) else {
      let error = #expect(throws: HTTPServerError.self) { try options.checkThreads() }
      #expect(error?.description.contains("CAP_SYS_NICE") == true)
      return
    }
    try options.checkThreads()
    let server = HTTPServer(options: options, handler: PolicyHandler())
    try server.start()
    defer { server.stop(drainTimeout: .zero) }
    let client = try SocketClient(port: try #require(server.port))
    try client.send("GET", "/")
    #expect(try client.receive().text == "policy \(SCHED_RR)")
    try client.send("GET", "/worker")
    #expect(try client.receive().text == "policy \(SCHED_OTHER)")
  }

  /// Answers with the scheduling policy of the thread that it runs on.
  private struct PolicyHandler: HTTPHandler {
    func handle(_ request: HTTPRequest) -> HTTPOutcome {
      request.path == "/worker" ? .offload { Self.policy() } : .respond(Self.policy())
    }

    private static func policy() -> HTTPResponse {
      var policy: Int32 = -1
      var parameters = sched_param()
      pthread_getschedparam(pthread_self(), &policy, &parameters)
      return HTTPResponse(
        status: 200, contentType: "text/plain", body: Array("policy \(policy)".utf8))
    }

    func refuse(_ refusal: HTTPRefusal, _ request: HTTPRequest) -> HTTPResponse {
      HTTPResponse(status: 500)
    }

    func completed(
      _ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64
    ) {}
  }

  @Test func anOptionOutOfItsRangeIsATypedError() {
    var options = HTTPServer.Options()
    options.eventLoops = 0
    let error = #expect(throws: HTTPServerError.self) {
      try HTTPServer(options: options, handler: TestHandler()).start()
    }
    guard case .invalidOption("eventLoops", _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(arguments: ["localhost", "127.0.0.1"])
  func aNameIsResolved(_ host: String) throws {
    try withServer(.testing { $0.host = host }) { _, _, port in
      let response = try SocketClient(port: port).exchange("GET", "/")
      #expect(response.status == 200)
    }
  }

  #if os(Linux)
    /// In a process of its own: other tests open descriptors too.
    @Test func startingAndStoppingLeaksNoDescriptors() async {
      await #expect(processExitsWith: .success) {
        try startAndStop()
        let before = openDescriptors()
        for _ in 0..<50 { try startAndStop() }
        // A worker that has just given its answer may hold the loop for a moment longer, at first and
        // at last.
        let end = testDeadline()
        while openDescriptors() > before, monotonicNanoseconds() < end { usleep(1000) }
        try #require(openDescriptors() <= before)
      }
    }
  #endif
}

#if os(Linux)
  private func startAndStop() throws {
    let server = HTTPServer(options: .testing(), handler: TestHandler())
    try server.start()
    let client = try SocketClient(port: server.port!)
    try #require(try client.exchange("GET", "/").status == 200)
    try #require(try client.exchange("GET", "/offload").status == 200)
    try #require(server.stop(drainTimeout: .seconds(30)) == .drained)
  }
#endif
