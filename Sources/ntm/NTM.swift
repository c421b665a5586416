import ArgumentParser
import NTMModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The command line: serving models, stepping and looking at them, importing weights.
@main
struct NTM: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ntm",
    abstract: "Neural Turing Machines: serve them, train them, step them, import their weights.",
    version: Release.version,
    subcommands: [
      Serve.self, Train.self, Eval.self, Plot.self, Run.self, Inspect.self, Import.self,
      Sessions.self, Health.self,
    ])

  static func main() {
    ProcessSetup.apply()
    do {
      let arguments = try Environment.current.completing(ProcessArguments.read())
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch {
      end(with: error)
    }
  }

  /// As `exit(withError:)`, which ignores that a help text can't be printed.
  private static func end(with error: any Error) -> Never {
    let message = fullMessage(for: error)
    let code = exitCode(for: error)
    if code.isSuccess {
      do { try StandardOutput.print(message) } catch { end(with: error) }
    } else if !message.isEmpty {
      printError(message)
    }
    libcExit(code.rawValue)
  }
}

/// Prints a line to standard error.
func printError(_ text: String) {
  _ = writeAll(Array("\(text)\n".utf8).span.bytes, to: STDERR_FILENO)
}

/// A failure that is not one of the command line's form.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// `exit` of the C library, which `ParsableCommand` hides.
private func libcExit(_ status: Int32) -> Never { exit(status) }
