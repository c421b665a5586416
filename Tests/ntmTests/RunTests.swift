import Foundation
import Testing

/// `ntm run` as a process.
struct RunTests {
  private static let model = "\(Executable.models)/copy.safetensors"

  private static let inputs = (0..<40).map { step in
    "[\((0..<9).map { (step * 5 + $0 * 3) % 7 < 3 ? "1" : "0.\($0)" }.joined(separator: ","))]"
  }

  @Test(arguments: [
    (fields: [String]?.none, label: "what the service chooses"),
    (fields: ["output"], label: "the output"),
    (fields: ["memory", "heads", "read_vectors"], label: "much"),
    (fields: ["output", "read_weightings", "write_weightings"], label: "the usual"),
  ])
  func givesWhatTheServiceGives(_ fields: [String]?, _ label: String) async throws {
    let arguments = fields.map { ["--return", $0.joined(separator: ",")] } ?? []
    let ending = try Executable.run(
      ["run", Self.model] + arguments, input: Self.inputs.joined(separator: "\n"))
    #expect(ending.status == 0)
    let lines = ending.output.split(separator: "\n").map(String.init)
    #expect(lines.count == Self.inputs.count)

    let server = try Server()
    let id = try await server.makeSession()
    let names =
      fields.map { ",\"return\":[\($0.map { "\"\($0)\"" }.joined(separator: ","))]" } ?? ""
    for (input, line) in zip(Self.inputs, lines) {
      let reply = try await server.send(
        "POST", "/sessions/\(id)/step", "{\"input\":\(input)\(names)}")
      // Character for character, but for the session's name.
      #expect(reply.body.replacing("\"session\":\"\(id)\",", with: "") == line)
    }
  }

  @Test func takesArraysAndObjectsAndSkipsEmptyLines() throws {
    let (a, b) = (Self.inputs[0], Self.inputs[1])
    let plain = try Executable.run(["run", Self.model], input: "\(a)\n\(b)\n")
    let mixed = try Executable.run(
      ["run", Self.model], input: "\n  \n{\"input\": \(a)}\r\n\t\n \(b) ")
    #expect(plain.status == 0 && mixed.status == 0)
    #expect(plain.output.split(separator: "\n").count == 2)
    #expect(mixed.output == plain.output)
    #expect(try Executable.run(["run", Self.model], input: "").output.isEmpty)
  }

  @Test(arguments: [
    (line: "[1,2]", message: "input has 2 values; model"),
    (line: "nonsense", message: "the line is not JSON: there is no value at byte 1"),
    (line: #"{"inputs":[[]]}"#, message: #"unknown field "inputs""#),
    (line: "{}", message: #"the line has no "input""#),
    (line: "[1e39,0,0,0,0,0,0,0,0]", message: "input[0] is beyond the largest float32"),
    (line: "7", message: "input is a number; a list of numbers is expected"),
  ])
  func aBadLineIsNamed(_ bad: (line: String, message: String)) throws {
    let ending = try Executable.run(
      ["run", Self.model, "--return", "output"],
      input: "\(Self.inputs[0])\n\n\(Self.inputs[1])\n\(bad.line)\n\(Self.inputs[2])\n")
    #expect(ending.status != 0)
    #expect(ending.errors.contains("line 4: "))
    #expect(ending.errors.contains(bad.message), "\(ending.errors)")
    // What came before it has been answered.
    #expect(ending.output.split(separator: "\n").count == 2)
  }

  /// A program that talks to it line by line gets each result before it sends the next input.
  @Test func answersEveryLineAtOnce() throws {
    let pipe = Pipe()
    let process = try Executable(["run", Self.model, "--return", "output"], input: pipe)
    for count in 1...3 {
      try pipe.fileHandleForWriting.write(contentsOf: Data("\(Self.inputs[count])\n".utf8))
      try process.wait(for: "result \(count)") {
        process.output.split(separator: "\n").count == count ? () : nil
      }
    }
    try pipe.fileHandleForWriting.close()
    #expect(try process.waitForEnd().status == 0)
  }

  @Test func anUnknownNameInReturnIsRefused() throws {
    let ending = try Executable.run(["run", Self.model, "--return", "output,outputs"])
    #expect(ending.status != 0)
    #expect(
      ending.errors.contains(#"return[1] is "outputs"; valid are input, output, read_weightings"#))
  }

  @Test func aBadModelIsNamedWithItsFault() throws {
    let folder = try TemporaryFolder()
    try folder.write("bad.safetensors", "garbage")
    let bad = folder.file("bad.safetensors")
    let garbage = try Executable.run(["run", bad])
    #expect(garbage.status != 0)
    #expect(garbage.errors.contains("\(bad): "))
    let missing = try Executable.run(["run", folder.file("none")])
    #expect(missing.status != 0)
    #expect(missing.errors.contains("\(folder.file("none")): there is no such file"))
  }
}
