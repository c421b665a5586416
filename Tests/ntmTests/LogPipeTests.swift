#if os(Linux)
  import Foundation
  import Testing

  /// `ntm serve` with a full log pipe.
  @Suite(.timeLimit(.minutes(5)))
  struct LogPipeTests {
    /// A server whose log goes to a pipe, which is read until the server says its address.
    private final class StuckServer {
      let process: Executable
      let address: Address
      private let folder: TemporaryFolder
      private let pipe: Int32

      init(_ arguments: [String] = []) throws {
        folder = try TemporaryFolder()
        let path = folder.file("log")
        try #require(mkfifo(path, 0o600) == 0)
        pipe = open(path, O_RDWR)
        process = try Executable(
          ["serve", "--models", Executable.models, "--port", "0", "--store", "memory"] + arguments,
          shell: #"exec 2>\#(path); exec "$0" "$@""#)
        var log = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
          if let port = log.firstMatch(of: /serving .* on http:\/\/.*:(\d+)\n/) {
            address = Address(port: try #require(Int(port.1)))
            return
          }
          let count = read(pipe, &buffer, buffer.count)
          try #require(count > 0)
          log += String(decoding: buffer[..<count], as: UTF8.self)
        }
      }

      deinit { close(pipe) }

      /// Fills the pipe and more. Each request writes a line of 2 kB.
      func logTooMuch() async throws {
        let path = "/" + String(repeating: "x", count: 2000)
        for _ in 0..<60 {
          #expect(try await address.send("GET", path).status == 404)
        }
        #expect(try await address.send("GET", "/livez").status == 200)
      }
    }

    @Test func requestsAndStopDoNotWaitForTheLog() async throws {
      let server = try StuckServer(["--access-log"])
      try await server.logTooMuch()
      server.process.signal(SIGTERM)
      #expect(try server.process.waitForEnd().status == 0)
    }

    @Test func repeatedStopSignalEndsTheProcess() async throws {
      let server = try StuckServer(["--access-log", "--drain-timeout", "1h"])
      try await server.logTooMuch()
      let request = try PartialRequest(port: server.address.port)
      let ending = try server.process.wait(for: "end") { () -> Int32? in
        server.process.signal(SIGTERM)
        return server.process.isRunning ? nil : 0
      }
      #expect(ending == 0)
      #expect(try server.process.waitForEnd().status == 143)
      withExtendedLifetime(request) {}
    }
  }
#endif
