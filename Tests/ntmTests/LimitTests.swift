import Foundation
import Testing

/// `ntm serve` under limits of the environment.
struct LimitTests {
  @Test func startLineNamesLimits() throws {
    let server = try Server(["--max-session-bytes", "3M", "--event-loops", "1", "--workers", "2"])
    #expect(
      server.process.errors.firstMatch(
        of:
          /may use \d+ MiB of memory and \d+ processors; limits: 3 MiB of session states, \d+ MiB of request bodies, 1 event loops, 2 workers\n/
      ) != nil)
  }

  @Test func addressLimitLowersDefaultSessionMemory() throws {
    let server = try Server(shell: #"ulimit -v 2000000; exec "$0" "$@""#)
    let memory = try #require(
      server.process.errors.firstMatch(of: /may use (\d+) MiB of memory/).flatMap { Int($0.1) })
    #expect(memory < 2_000_000 >> 10)
    #expect(server.process.errors.contains("limits: \(memory / 4) MiB of session states"))
  }

  @Test func helpNamesDefaultSessionMemory() throws {
    let help = try Executable.run(["serve", "--help"]).output
      .replacing(/\s+/, with: " ")
    #expect(
      help.contains("(default: a quarter of the memory that the process may use, at most 4G)"))
  }
}
