import ArgumentParser
import NTMModel
import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

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
    while let line = readLine() {
      number += 1
      guard line.contains(where: { !$0.isWhitespace }) else { continue }
      let result: [UInt8]
      do {
        result = try session.step(Array(line.utf8))
      } catch {
        throw Failure("line \(number): \(error)")
      }
      print(String(decoding: result, as: UTF8.self))
      // Whoever reads from a pipe may wait for this result before sending the next input.
      fflush(nil)
    }
  }
}
