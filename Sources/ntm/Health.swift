import ArgumentParser
import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

struct Health: ParsableCommand, EnvironmentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Ask a running server whether it is alive; exits 1 if not.",
    discussion: "For container health checks, where there is no curl.")

  @Option(help: "Where the server listens. (default: 127.0.0.1)", transform: ListenHost.parse)
  var host = "127.0.0.1"

  @Option(help: "The server's port.")
  var port = 8080

  static let valueOptions = ["host", "port"]
  static let flags: [String] = []

  func run() throws {
    // What a server listens on everywhere is asked for here.
    let target = ["0.0.0.0": "127.0.0.1", "::": "::1"][host] ?? host
    guard let reply = Self.get("/livez", host: target, port: port) else {
      try StandardOutput.print("no answer from \(target) port \(port)")
      throw ExitCode(1)
    }
    let isAlive = reply.split(separator: " ").dropFirst().first == "200"
    try StandardOutput.print(isAlive ? "alive" : "answered: \(reply)")
    if !isAlive { throw ExitCode(1) }
  }

  /// The status line that a GET is answered with, by the first of the host's addresses that answers:
  /// of `localhost`, a server may listen on the IPv4 one or on the IPv6 one.
  private static func get(_ path: String, host: String, port: Int) -> String? {
    var hints = addrinfo()
    #if canImport(Darwin)
      hints.ai_socktype = SOCK_STREAM
    #else
      hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #endif
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, "\(port)", &hints, &found) == 0 else { return nil }
    defer { freeaddrinfo(found) }
    return sequence(first: found) { $0?.pointee.ai_next }.lazy.prefix { $0 != nil }
      .compactMap { get(path, host: host, at: $0!.pointee) }.first
  }

  /// Over TLS where the server speaks only that, which shows in that it closes the connection without
  /// an answer to plain HTTP. Nobody is to be told what the server was started with.
  private static func get(_ path: String, host: String, at address: addrinfo) -> String? {
    let request = "GET \(path) HTTP/1.0\r\nHost: \(host)\r\n\r\n"
    let plain = withConnection(to: address) { connection -> Answer in
      guard send(connection, request, request.utf8.count, 0) == request.utf8.count else {
        return .closed
      }
      var reply = [UInt8](repeating: 0, count: 256)
      let count = recv(connection, &reply, reply.count, 0)
      if count == 0 || count < 0 && errno == ECONNRESET { return .closed }
      return count > 0 ? .bytes(Array(reply.prefix(count))) : .none
    }
    let reply: [UInt8]? =
      switch plain {
      case .bytes(let bytes): bytes
      case .closed: withConnection(to: address) { TLSClient.exchange(request, over: $0) } ?? nil
      case nil, .none?: nil
      }
    return reply.map { String(decoding: $0.prefix { $0 != 13 && $0 != 10 }, as: UTF8.self) }
  }

  private enum Answer {
    case bytes([UInt8])
    case closed
    case none
  }

  /// - Returns: nil where nobody listens
  private static func withConnection<Result>(
    to address: addrinfo, _ body: (Int32) -> Result
  ) -> Result? {
    let connection = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
    guard connection >= 0 else { return nil }
    defer { close(connection) }
    var patience = timeval(tv_sec: 3, tv_usec: 0)
    setsockopt(
      connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    guard connect(connection, address.ai_addr, address.ai_addrlen) == 0 else { return nil }
    return body(connection)
  }
}
