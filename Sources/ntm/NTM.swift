import ArgumentParser
import NTMModel

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
    do {
      let arguments = try Environment.current.completing(Array(CommandLine.arguments.dropFirst()))
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch {
      exit(withError: error)
    }
  }
}

/// A failure that is not one of the command line's form.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
