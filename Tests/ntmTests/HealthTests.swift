import Testing

/// `ntm health` as a process.
struct HealthTests {
  @Test(arguments: ["127.0.0.1", "localhost", "0.0.0.0"])
  func aServerThatAnswersIsAlive(_ host: String) throws {
    let server = try Server()
    let ending = try Executable.run(["health", "--host", host, "--port", "\(server.port)"])
    #expect(ending.status == 0)
    #expect(ending.output == "alive\n")
  }

  @Test func itIsAskedWhereTheEnvironmentSays() throws {
    let server = try Server()
    let ending = try Executable.run(
      ["health"], environment: ["NTM_PORT": "\(server.port)", "NTM_HOST": "0.0.0.0"])
    #expect(ending.status == 0)
    #expect(ending.output == "alive\n")
  }

  @Test func aServerThatHasEndedIsNot() throws {
    let server = try Server()
    try server.stop()
    let ending = try Executable.run(["health", "--port", "\(server.port)"])
    #expect(ending.status == 1)
    #expect(ending.output == "no answer from 127.0.0.1 port \(server.port)\n")
  }

  @Test func aHostThatDoesNotResolveDoesNotAnswer() throws {
    let ending = try Executable.run(["health", "--host", "no.such.host.invalid"])
    #expect(ending.status == 1)
    #expect(ending.output == "no answer from no.such.host.invalid port 8080\n")
  }
}
