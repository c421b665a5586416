import Foundation
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// `ntm serve` on a port of its own.
final class Server {
  let process: Executable
  let port: Int

  /// Starts it with the shipped models, unless the arguments or the environment say otherwise, and
  /// waits until it serves.
  ///
  /// - Parameter shell: commands of a shell that becomes the process
  init(
    _ arguments: [String] = [], environment: [String: String] = [:], shell: String? = nil
  ) throws {
    var all = ["serve"] + arguments
    if !arguments.contains("--port") && environment["NTM_PORT"] == nil { all += ["--port", "0"] }
    if !arguments.contains("--models") && environment["NTM_MODELS"] == nil {
      all += ["--models", Executable.models]
    }
    let process = try Executable(all, environment: environment, shell: shell)
    self.process = process
    port = try process.wait(for: "address") {
      if !process.isRunning {
        throw Executable.Hang(description: "ntm serve ended: \(process.errors)")
      }
      return try process.errors.firstMatch(of: /serving .* on https?:\/\/.*:(\d+)\n/).map {
        try #require(Int($0.1))
      }
    }
  }

  /// Where requests go. Unlike the process, it can be used by several tasks.
  var address: Address { Address(port: port) }

  func send(
    _ method: String, _ path: String, _ body: String? = nil
  ) async throws -> (status: Int, body: String) {
    try await address.send(method, path, body)
  }

  func object(
    _ method: String, _ path: String, _ body: String? = nil
  ) async throws -> [String: Any] {
    try await address.object(method, path, body)
  }

  func makeSession(_ model: String = "copy") async throws -> String {
    try #require(
      try await object("POST", "/sessions", #"{"model":"\#(model)"}"#)["id"] as? String)
  }

  /// Stops it as a supervisor does.
  @discardableResult
  func stop(by signal: Int32 = SIGTERM) throws -> Executable.Ending {
    process.signal(signal)
    return try process.waitForEnd()
  }
}

/// A server that listens here.
struct Address: Sendable {
  let port: Int

  func send(
    _ method: String, _ path: String, _ body: String? = nil, key: String? = nil
  ) async throws -> (status: Int, body: String) {
    var request = URLRequest(url: try #require(URL(string: "http://127.0.0.1:\(port)\(path)")))
    request.httpMethod = method
    request.httpBody = body.map { Data($0.utf8) }
    if let key { request.setValue("Bearer \(key)", forHTTPHeaderField: "Authorization") }
    request.timeoutInterval = Executable.patience
    // A connection for each request: none is left open when the server stops.
    request.setValue("close", forHTTPHeaderField: "Connection")
    let (data, reply) = try await URLSession.shared.data(for: request)
    return (
      try #require(reply as? HTTPURLResponse).statusCode, String(decoding: data, as: UTF8.self)
    )
  }

  func object(_ method: String, _ path: String, _ body: String? = nil) async throws -> [String: Any]
  {
    let reply = try await send(method, path, body)
    return try #require(
      JSONSerialization.jsonObject(with: Data(reply.body.utf8)) as? [String: Any], "\(reply)")
  }
}
