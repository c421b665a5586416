import Foundation
import Testing

/// `ntm serve` with a certificate made on the spot, asked by curl, which does not trust any other.
struct TLSTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try makeCertificate()
  }

  private func makeCertificate(_ name: String = "server") throws {
    let made = try Tool.run(
      "openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", "\(name)-key.pem", "-out", "\(name).pem", "-days", "2", "-subj", "/CN=\(name)",
        "-addext", "subjectAltName=IP:127.0.0.1",
      ], in: folder)
    try #require(made.status == 0)
  }

  private func server(_ arguments: [String] = []) throws -> Server {
    try Server(
      ["--tls-certificate", folder.file("server.pem"), "--tls-key", folder.file("server-key.pem")]
        + arguments)
  }

  private func curl(
    _ server: Server, _ path: String, _ arguments: [String] = []
  ) throws -> (status: Int32, output: Data) {
    try Tool.run(
      "curl",
      [
        "--silent", "--show-error", "--max-time", "\(Int(Executable.patience))", "--cacert",
        "server.pem", "https://127.0.0.1:\(server.port)\(path)",
      ] + arguments, in: folder)
  }

  private func object(
    _ server: Server, _ path: String, _ arguments: [String] = []
  ) throws -> [String: Any] {
    let reply = try curl(server, path, arguments)
    try #require(reply.status == 0)
    return try #require(try JSONSerialization.jsonObject(with: reply.output) as? [String: Any])
  }

  @Test func stepsAreTaken() throws {
    let server = try server()
    #expect(server.process.errors.contains(" on https://127.0.0.1:\(server.port)\n"))
    let id = try #require(
      try object(server, "/sessions", ["--data", #"{"model":"copy"}"#])["id"] as? String)
    let step = try object(
      server, "/sessions/\(id)/step", ["--data", #"{"input":[1,0,1,0,1,0,1,0,0]}"#])
    #expect(step["step"] as? Int == 1)
    #expect((step["output"] as? [Double])?.count == 8)
    // Much in one request, and in its reply, packed and not.
    let inputs = Array(repeating: "[1,0,1,0,1,0,1,0,0]", count: 2000).joined(separator: ",")
    try folder.write("body", #"{"inputs":[\#(inputs)]}"#)
    for (arguments, last) in [([], 2001), (["--compressed"], 4001)] {
      let steps = try object(
        server, "/sessions/\(id)/step", ["--data", "@body"] + arguments)["steps"]
      #expect((steps as? [[String: Any]])?.last?["step"] as? Int == last)
    }
    #expect(try server.stop().status == 0)
  }

  @Test func streamsAreSent() throws {
    let server = try server()
    let id = try #require(
      try object(server, "/sessions", ["--data", #"{"model":"copy"}"#])["id"] as? String)
    let line = #"{"input":[1,0,1,0,1,0,1,0,0]}"# + "\n"
    try folder.write("lines", String(repeating: line, count: 1000))
    let reply = try curl(
      server, "/sessions/\(id)/step",
      [
        "--header", "Content-Type: application/x-ndjson", "--data-binary", "@lines",
        "--dump-header", "headers",
      ])
    #expect(reply.status == 0)
    #expect(folder.read("headers").contains("\r\nTransfer-Encoding: chunked\r\n"))
    let lines = String(decoding: reply.output, as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 1000)
    #expect(lines.last?.hasPrefix(#"{"session":"\#(id)","step":1000,"#) == true)
  }

  @Test func plainHTTPIsRefusedWithoutHarm() throws {
    let server = try server()
    for _ in 0..<20 {
      let plain = try Tool.run(
        "curl",
        [
          "--silent", "--max-time", "\(Int(Executable.patience))",
          "http://127.0.0.1:\(server.port)/livez",
        ], in: folder)
      // The server replies nothing, or resets the connection.
      #expect([52, 56].contains(plain.status))
      #expect(plain.output.isEmpty)
    }
    #expect(try object(server, "/livez")["status"] as? String == "ok")
    #expect(try server.stop().status == 0)
  }

  @Test func whoTrustsAnotherCertificateDoesNotConnect() throws {
    let server = try server()
    try makeCertificate("other")
    let reply = try Tool.run(
      "curl",
      ["--silent", "--cacert", "other.pem", "https://127.0.0.1:\(server.port)/livez"], in: folder)
    #expect(reply.status == 60)
  }

  @Test func healthIsAskedOverTLS() throws {
    let server = try server()
    let alive = try Executable.run(["health", "--port", "\(server.port)"])
    #expect(alive.status == 0)
    #expect(alive.output == "alive\n")
    try server.stop()
    #expect(try Executable.run(["health", "--port", "\(server.port)"]).status == 1)
  }

  @Test func aSlowBodyIsAnsweredOverTLS() throws {
    let server = try server(["--request-timeout", "1", "--access-log"])
    let request =
      #"POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"#
    let reply = try Tool.run(
      "sh",
      [
        "-c",
        """
        (printf '\(request)'; i=0; while [ $i -lt 300 ]; do printf x; sleep 0.1; i=$((i+1)); done) |
          openssl s_client -quiet -connect 127.0.0.1:\(server.port) 2>/dev/null
        """,
      ], in: folder)
    let text = String(decoding: reply.output, as: UTF8.self)
    #expect(text.hasPrefix("HTTP/1.1 408 "))
    #expect(text.contains("urn:ntm:problem:request-timeout"))
    // Its line is written once the connection has ended.
    #expect(try server.stop().errors.contains("POST /sessions 408"))
  }

  // MARK: Files

  @Test(arguments: [
    (certificate: "none.pem", key: "server-key.pem", complaint: "none.pem: the certificate can't"),
    (certificate: "server.pem", key: "none.pem", complaint: "none.pem: the key can't be read"),
    (certificate: "text.pem", key: "server-key.pem", complaint: "text.pem: certificate: there is"),
    (certificate: "server.pem", key: "text.pem", complaint: "text.pem: private key: there is none"),
    (certificate: "cut.pem", key: "server-key.pem", complaint: "cut.pem: certificate: "),
    (certificate: "server-key.pem", key: "server.pem", complaint: "server-key.pem: certificate: "),
    (
      certificate: "server.pem", key: "secret.pem",
      complaint: "secret.pem: private key: it is protected by a passphrase"
    ),
    (certificate: "server.pem", key: "other-key.pem", complaint: "other-key.pem: with "),
  ])
  func aFileThatIsBadKeepsItFromStarting(
    _ bad: (certificate: String, key: String, complaint: String)
  ) throws {
    try makeCertificate("other")
    try folder.write("text.pem", "no certificate\n")
    try folder.write("cut.pem", String(folder.read("server.pem").prefix(200)))
    let secret = try Tool.run(
      "openssl",
      ["ec", "-aes128", "-passout", "pass:x", "-in", "server-key.pem", "-out", "secret.pem"],
      in: folder)
    try #require(secret.status == 0)
    let ending = try Executable.run([
      "serve", "--models", Executable.models, "--port", "0",
      "--tls-certificate", folder.file(bad.certificate), "--tls-key", folder.file(bad.key),
    ])
    #expect(ending.status != 0)
    #expect(ending.errors.contains(bad.complaint), "\(ending.errors)")
    #expect(!ending.errors.contains("serving"))
  }

  @Test(arguments: ["--tls-certificate", "--tls-key"])
  func oneFileWithoutTheOtherKeepsItFromStarting(_ option: String) throws {
    let ending = try Executable.run([
      "serve", "--models", Executable.models, "--port", "0", option, folder.file("server.pem"),
    ])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("--tls-certificate and --tls-key are needed together"))
  }
}
