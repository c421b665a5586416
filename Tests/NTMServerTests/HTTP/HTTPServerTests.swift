import Testing

@testable import NTMServer

/// The transport over live sockets. Extensions in the files beside this one group the tests.
@Suite struct HTTPServerTests {
  @Test func handsOverEveryPartOfARequest() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      let response = try client.exchange(
        "POST", "/a%2Fb%00c?p=1&q=x+y%26&q=2", headers: [("x-TeSt", "some value")],
        body: Array("body".utf8))
      #expect(response.status == 200)
      #expect(
        response.text == "POST /a%2Fb%00c\nq=x y&\nx-test=some value\nfrom=127.0.0.1\nbody")
      #expect(response.header("X-Reply") == "yes")
      #expect(response.header("Content-Type") == "text/plain")
      #expect(response.header("Date") != nil)
    }
  }

  @Test func aMadeRequestIsLikeALiveOne() throws {
    let target = (path: "/a%2Fb", query: "Q=x+y%26&&q=2&p")
    let made = HTTPRequest(
      method: "PUT", path: target.path, query: target.query, headers: [("X-Test", "1")],
      body: Array("body".utf8))
    let expected = String(decoding: TestHandler.echo(made).body, as: UTF8.self)
    let live = try withServer { _, _, port in
      try SocketClient(port: port).exchange(
        "PUT", "\(target.path)?\(target.query)", headers: [("X-Test", "1")],
        body: Array("body".utf8))
    }
    #expect(live.text.replacing("from=127.0.0.1", with: "from=") == expected)
    #expect(made.queryValue("p") == "")
    #expect(made.queryValue("none") == nil)
  }

  @Test func answersManyRequestsOnOneConnection() throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      for number in 0..<500 {
        let response = try client.exchange("POST", "/\(number)", body: Array("n\(number)".utf8))
        #expect(response.text.hasPrefix("POST /\(number)\n"))
        #expect(response.text.hasSuffix("\nn\(number)"))
      }
      let completions = handler.completed(count: 500)
      #expect(completions.count == 500)
      #expect(completions.allSatisfy { $0.status == 200 && $0.responseBytes > 0 })
    }
  }

  @Test func answersPipelinedRequestsInOrder() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      for number in 0..<100 {
        let path = number.isMultiple(of: 3) ? "/offload" : "/inline"
        try client.send("POST", path, body: Array("number \(number)".utf8))
      }
      for number in 0..<100 {
        #expect(try client.receive().text.hasSuffix("\nnumber \(number)"))
      }
    }
  }

  @Test(arguments: ["BREW", "DELETE", "OPTIONS", "PATCH", "get"])
  func anyMethodReachesTheHandler(_ method: String) throws {
    try withServer { _, _, port in
      let response = try SocketClient(port: port).exchange(method, "/")
      #expect(response.text.hasPrefix("\(method) /\n"))
    }
  }

  @Test func aBodyOnGetIsRead() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      #expect(try client.exchange("GET", "/length", body: [1, 2, 3]).text == "3")
      #expect(try client.exchange("GET", "/length").text == "0")
    }
  }

  @Test(arguments: ["/bytes?n=5000", "/offload"])
  func headHasTheLengthOfGetAndNoBody(_ target: String) throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      let get = try client.exchange("GET", target)
      let head = try client.exchange("HEAD", target)
      // The echo names the method, which is one byte longer.
      let difference = target == "/offload" ? 1 : 0
      #expect(head.header("Content-Length") == "\(get.body.count + difference)")
      // Had a body been sent, this response would not begin with its status line.
      #expect(try client.exchange("GET", target).body == get.body)
      #expect(handler.completed(count: 2)[1].responseBytes == 0)
    }
  }

  @Test func aResponseWithoutContentHasNoBody() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      #expect(try client.exchange("GET", "/nothing").status == 204)
      #expect(try client.exchange("GET", "/bytes?n=0").header("Content-Length") == "0")
    }
  }

  @Test func malformedRequestsAreRefusedByTheLibrary() throws {
    try withServer { _, _, port in
      for request in [
        "GET / HTTP/1.1\r\nHost: test\r\nContent-Length: many\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nX-Long: \(String(repeating: "x", count: 20_000))\r\n\r\n",
      ] {
        let client = try SocketClient(port: port)
        try client.send(request)
        #expect((400..<500).contains(try client.receive().status))
      }
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
    }
  }

  @Test func listensOnIPv6() throws {
    var options = HTTPServer.Options()
    options.host = "::"
    let server = HTTPServer(options: options, handler: TestHandler())
    let refusal = Result { try server.start() }
    // Not every machine has IPv6.
    if case .failure(HTTPServerError.cannotListen) = refusal { return }
    try refusal.get()
    // `::` takes IPv4 too; the client speaks only that.
    #expect(try SocketClient(port: server.port!).exchange("GET", "/").status == 200)
    #expect(server.stop(drainTimeout: .seconds(30)) == .drained)
  }
}
