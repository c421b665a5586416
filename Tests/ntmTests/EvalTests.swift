import Foundation
import NTMModel
import Testing

/// `ntm eval` and `ntm plot` as processes.
struct EvalTests {
  private static let model = "\(Executable.models)/copy.safetensors"

  /// The table's figures and the JSON's are the same.
  @Test func theTableSaysWhatTheJSONSays() throws {
    let arguments = ["eval", Self.model, "--sequences", "2", "--length", "1-3"]
    let table = try Executable.run(arguments)
    let json = try Executable.run(arguments + ["--json", "--threads", "1"])
    #expect(table.status == 0 && json.status == 0)
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect(report["task"] as? String == "copy")
    #expect(report["loss"] as? String == "cross_entropy")
    let sets = try #require(report["sets"] as? [[String: Any]])
    #expect(sets.compactMap { $0["name"] as? String }.last == "length 18")

    var expected: [(name: String, fields: [String: Any])] = []
    for set in sets {
      expected.append((try #require(set["name"] as? String), set))
      let sizes = try #require(set["by_length"] as? [[String: Any]])
      guard sizes.count > 1 else { continue }
      for size in sizes { expected.append(("length \(size["length"] as? Int ?? 0)", size)) }
    }
    let rows = table.output.split(separator: "\n").map { line in
      line.split(separator: /\s{2,}/).map(String.init)
    }
    #expect(
      rows[0] == ["sequences", "bits per sequence", "wrong bits", "of", "perfect"])
    #expect(rows.count == expected.count + 1)
    for (row, expected) in zip(rows.dropFirst(), expected) {
      #expect(row[0] == expected.name)
      let names = ["sequences", "bits_per_sequence", "wrong_bits", "bits", "perfect_sequences"]
      for (cell, name) in zip(row.dropFirst(), names) {
        let value = try #require((expected.fields[name] as? NSNumber)?.doubleValue)
        // Figures have three digits or so.
        #expect(abs(try #require(Double(cell)) - value) <= 0.006 * abs(value) + 5e-5, "\(name)")
      }
    }
  }

  /// What the file of models says of this one.
  @Test func aGoodModelIsFoundToBeGood() throws {
    let ending = try Executable.run(["eval", Self.model, "--sequences", "3", "--json"])
    #expect(ending.status == 0)
    let report = try JSONSerialization.jsonObject(with: Data(ending.output.utf8)) as? [String: Any]
    let first = try #require((report?["sets"] as? [[String: Any]])?.first)
    #expect(try #require(first["wrong_bits"] as? Int) <= 3)
    #expect(try #require(first["bits_per_sequence"] as? Double) < 5)
  }

  @Test func aSeedRepeatsItsFigures() throws {
    func output(_ seed: String) throws -> String {
      try Executable.run(["eval", Self.model, "--sequences", "1", "--json", "--seed", seed]).output
    }
    #expect(try output("5") == output("5"))
    #expect(try output("5") != output("6"))
  }

  /// A model whose file says nothing of its task.
  private func modelWithoutTask(_ task: String? = nil, _ training: String? = nil) throws
    -> TemporaryFolder
  {
    let folder = try TemporaryFolder()
    let model = try ModelFile.load(Self.model).model
    let file = ModelFile(model: model, description: .init(task: task, training: training))
    try file.safeTensors().write(to: folder.file("model"))
    return folder
  }

  @Test(arguments: ["eval", "plot"])
  func aModelWithoutATaskNeedsOne(_ command: String) throws {
    let folder = try modelWithoutTask()
    let output = command == "plot" ? ["--output", "-"] : ["--sequences", "1"]
    let refused = try Executable.run([command, folder.file("model")] + output)
    #expect(refused.status != 0)
    #expect(refused.errors.contains("model does not say its task; --task does"))
    let given = try Executable.run([command, folder.file("model"), "--task", "copy"] + output)
    let known = try Executable.run([command, Self.model] + output)
    #expect(given.status == 0)
    let drop = { (text: String) in text.split(separator: "\n").filter { !$0.contains(": copy, ") } }
    #expect(drop(given.output) == drop(known.output))
  }

  @Test(
    arguments: [
      (task: "paint", training: nil, message: "there is no task 'paint'"),
      (task: "file", training: nil, message: "does not say where the sequences of its task are"),
      (
        task: "copy", training: #"{"task_settings":{"bits":8,"length":{"least":9,"most":2}}}"#,
        message: "length is 9-2"
      ),
      (task: "copy", training: "nonsense", message: "the settings of task copy"),
    ] as [(task: String, training: String?, message: String)])
  func aTaskThatMakesNoSenseIsRefused(
    _ task: String, _ training: String?, _ message: String
  ) throws {
    let folder = try modelWithoutTask(task, training)
    for command in ["eval", "plot"] {
      let ending = try Executable.run([command, folder.file("model")])
      #expect(ending.status == 1)
      #expect(ending.errors.contains("\(folder.file("model")): "))
      #expect(ending.errors.contains(message), "\(ending.errors)")
      #expect(ending.errors.contains("--task says which to use"))
    }
  }

  @Test(arguments: [
    (arguments: ["--sequences", "0"], message: "--sequences is 0; it must be at least 1"),
    (arguments: ["--threads", "0"], message: "--threads is 0; it must be at least 1"),
    (arguments: ["--task", "/no/such"], message: "/no/such can't be read"),
    (arguments: ["--task", "ngrams"], message: "the task has 1 inputs and 1 outputs; the model"),
    (arguments: ["--bits", "7"], message: "the task has 8 inputs and 7 outputs; the model"),
    (arguments: ["--bits", "-7"], message: "--bits"),
    (arguments: ["--items", "7"], message: "task copy has no --items"),
  ])
  func badOptionsAreRefused(_ arguments: [String], _ message: String) throws {
    let ending = try Executable.run(["eval", Self.model] + arguments)
    #expect(ending.status != 0)
    #expect(ending.errors.contains(message), "\(ending.errors)")
    #expect(ending.output.isEmpty)
  }

  // MARK: Plot

  @Test func plotsASequence() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("sequence.svg")
    let ending = try Executable.run(["plot", Self.model, "--output", path, "--length", "4"])
    #expect(ending.status == 0)
    #expect(ending.output == "\(path): 9 steps\n")
    let svg = folder.read("sequence.svg")
    #expect(svg.hasPrefix("<svg "))
    #expect(svg.contains(">copy: copy, length 4</text>"))
    #expect(svg.contains(">wrong: 0</text>"))
    let same = try Executable.run(["plot", Self.model, "--output", "-", "--length", "4"])
    #expect(same.output == svg)
    let other = try Executable.run(
      ["plot", Self.model, "--output", "-", "--length", "4", "--seed", "2"])
    #expect(other.status == 0 && other.output != svg)
  }

  /// Of those that a task may draw, one of the longest is drawn.
  @Test func plotsALongSequence() throws {
    let ending = try Executable.run(["plot", Self.model, "--output", "-"])
    #expect(ending.status == 0)
    let length = try #require(ending.output.firstMatch(of: />copy: copy, length (\d+)</)?.1)
    #expect(try #require(Int(length)) > 10)
  }

  @Test(arguments: [
    (arguments: ["--output", "/no/such/folder/x.svg"], message: "/no/such/folder/x.svg can't be"),
    (arguments: ["--task", "ngrams"], message: "the task has 1 inputs and 1 outputs"),
    (arguments: ["--length", "x"], message: "--length"),
  ])
  func aPlotThatIsNotPossible(_ arguments: [String], _ message: String) throws {
    let ending = try Executable.run(["plot", Self.model] + arguments)
    #expect(ending.status != 0)
    #expect(ending.errors.contains(message), "\(ending.errors)")
    #expect(ending.output.isEmpty)
  }
}
