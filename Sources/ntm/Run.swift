import ArgumentParser
import NTMModel
import NTMServer

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Step a model without a server: inputs from standard input, results to standard output.",
    discussion: """
      Every line is an input as JSON, an array of numbers or an object with "input"; every result is \
      a line of JSON as the service gives it. A line that is refused ends the run with its number.
      """)

  @Argument(help: "A model file.")
  var model: String

  @Option(
    name: .customLong("return"),
    help: """
      What a result says, with commas between: input, output, read_weightings, write_weightings, \
      read_vectors, memory, heads.
      """)
  var fields: String?

  func run() throws {
    let file: ModelFile
    do {
      file = try ModelFile.load(model)
    } catch {
      throw ValidationError("\(model): \(error)")
    }
    let names = fields?.split(separator: ",").map(String.init)
    let session = try OfflineSession(file, name: model, returning: names)
    var number = 0
    var lines = InputLines()
    while let line = try lines.next() {
      number += 1
      guard line.contains(where: { !" \t\r".utf8.contains($0) }) else { continue }
      let result: [UInt8]
      do {
        result = try session.step(line)
      } catch {
        throw Failure("line \(number): \(error)")
      }
      // At once: a program may wait for this result before it sends the next input.
      try StandardOutput.write(result + [UInt8(ascii: "\n")])
    }
  }
}
