import Foundation
import NTMModel
import Testing

@testable import ntm

/// `ntm train` as a process, and what `ntm eval` and `ntm plot` make of its model.
struct TrainTests {
  /// A model of 8 units and a memory of 8 × 4 that copies a bit or two.
  static let tiny = [
    "--bits", "2", "--length", "1-2", "--units", "8", "--rows", "8", "--columns", "4", "--batch",
    "4", "--interval", "40", "--validation", "4", "--validation-beyond", "1", "--threads", "1",
  ]

  private let folder: TemporaryFolder
  private var model: String { folder.file("model.safetensors") }
  private var checkpoint: String { folder.file("model.checkpoint") }

  init() throws { folder = try TemporaryFolder() }

  private func train(_ arguments: String...) throws -> Executable.Ending {
    try Executable.run(["train"] + arguments + ["--output", model])
  }

  private func trainTiny(_ arguments: String...) throws -> Executable.Ending {
    try Executable.run(["train", "copy"] + Self.tiny + arguments + ["--output", model])
  }

  private func files() throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    return try Dictionary(
      uniqueKeysWithValues: names.map {
        ($0, try Data(contentsOf: URL(filePath: folder.file($0))))
      })
  }

  @Test func writesARunAndPrintsWhatItReaches() throws {
    let ending = try trainTiny("--sequences", "100", "--seed", "3")
    #expect(ending.status == 0)
    #expect(
      try Set(files().keys)
        == ["model.safetensors", "model.checkpoint", "model.csv", "model.svg"])
    // A line for each interval and one for the end.
    #expect(ending.errors.split(separator: "\n").count == 3)
    #expect(ending.errors.contains("100/100 sequences, "))
    let lines = folder.read("model.csv").split(separator: "\n")
    #expect(lines[0].hasPrefix("sequences,seconds,training_loss,"))
    #expect(lines.dropFirst().map { $0.prefix { $0 != "," } } == ["40", "80", "100"])
    #expect(lines.allSatisfy { $0.count { $0 == "," } == 9 })
    #expect(folder.read("model.svg").contains(">copy, seed 3</text>"))

    let file = try ModelFile.load(model)
    #expect(file.description.task == "copy")
    #expect(file.model.configuration.memory == MemoryShape(rows: 8, columns: 4))
    #expect(file.model.configuration.inputSize == 3)
    let json = Data(try #require(file.description.training).utf8)
    let training = try #require(JSONSerialization.jsonObject(with: json) as? [String: Any])
    #expect(training["sequences"] as? Int == 100)
    #expect((training["options"] as? [String: Any])?["seed"] as? Int == 3)
    #expect((training["task_settings"] as? [String: Any])?["bits"] as? Int == 2)

    // The table is that of `ntm eval`, and both are in the file.
    let eval = try Executable.run(["eval", model])
    #expect(eval.status == 0)
    let table = ending.output.split(separator: "\n", maxSplits: 1)
    #expect(table[0].hasPrefix("\(model): 100 sequences in "))
    #expect(String(table[1]) == eval.output)
    #expect(eval.output.contains("bits per sequence"))
    #expect((training["evaluation"] as? [String: Any])?["task"] as? String == "copy")
  }

  @Test func doesNotReplaceARunUnlessForced() throws {
    #expect(try trainTiny("--sequences", "8").status == 0)
    let before = try files()
    let refused = try trainTiny("--sequences", "8", "--seed", "2")
    #expect(refused.status != 0)
    #expect(refused.errors.contains("are there already; --force replaces them"))
    #expect(try files() == before)
    #expect(try trainTiny("--sequences", "8", "--seed", "2", "--force").status == 0)
    #expect(try files()["model.safetensors"] != before["model.safetensors"])
    // One file of a run is enough.
    for name in ["model.safetensors", "model.checkpoint", "model.csv"] {
      try FileManager.default.removeItem(atPath: folder.file(name))
    }
    #expect(try trainTiny("--sequences", "8").status != 0)
    #expect(try Array(files().keys) == ["model.svg"])
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func anInterruptedRunIsResumed(_ signal: Int32) throws {
    let run = ["train", "copy"] + Self.tiny + ["--sequences", "800", "--output"]
    #expect(try Executable.run(run + [folder.file("whole.safetensors")]).status == 0)

    let process = try Executable(run + [model])
    try process.wait(for: "checkpoint") {
      FileManager.default.fileExists(atPath: checkpoint) ? () : nil
    }
    process.signal(signal)
    let ending = try process.waitForEnd()
    #expect(ending.status == 0)
    let stopped = try #require(
      ending.output.firstMatch(of: /Stopped after (\d+) of 800 sequences\. Go on with: (.*)\n/))
    #expect(try #require(Int(stopped.1)) < 800)
    #expect(stopped.2 == "ntm train --resume --output \(model)")
    #expect(try Set(files().keys).isSuperset(of: ["model.checkpoint", "model.csv"]))

    let before = try files()
    for other in [["--rate", "0.1"], ["--units", "9"], ["--bits", "2"], ["--force"]] {
      let refused = try Executable.run(["train", "--resume", "--output", model] + other)
      #expect(refused.status != 0)
      #expect(refused.errors.contains("--resume goes on with the settings of the checkpoint"))
    }
    let wrongTask = try train("ngrams", "--resume")
    #expect(wrongTask.status != 0)
    #expect(wrongTask.errors.contains("model.checkpoint is of task copy, not ngrams"))
    #expect(try files() == before)

    let resumed = try train("--resume", "--threads", "2")
    #expect(resumed.status == 0)
    #expect(
      try ModelFile.load(model).model.digest()
        == ModelFile.load(folder.file("whole.safetensors")).model.digest())
    let losses = ["model.csv", "whole.csv"].map { name in
      folder.read(name).split(separator: "\n").map { line in
        // All but the seconds.
        line.split(separator: ",").enumerated().filter { $0.offset != 1 }.map(\.element)
      }
    }
    #expect(losses[0] == losses[1])
    // A finished run has nothing left to do.
    #expect(try train("copy", "--resume").output == resumed.output)
  }

  @Test func thereIsNothingToResume() throws {
    let ending = try train("--resume")
    #expect(ending.status != 0)
    #expect(ending.errors.contains("\(checkpoint): there is no such file"))
    try folder.write("model.checkpoint", "garbage")
    #expect(try train("--resume").errors.contains("\(checkpoint): "))
    #expect(folder.read("model.checkpoint") == "garbage")
  }

  // MARK: Bad options

  struct Bad: Sendable, CustomTestStringConvertible {
    let arguments: [String]
    let message: String
    var testDescription: String { arguments.joined(separator: " ") }
    init(_ arguments: String, _ message: String) {
      self.arguments = arguments.split(separator: " ").map(String.init)
      self.message = message
    }
  }

  @Test(arguments: [
    Bad("", "no task is given; tasks are copy, repeat-copy"),
    Bad("copies", "copies"),
    Bad("copy --task x", "a task and --task are both given"),
    Bad("--task /no/such/file", "/no/such/file can't be read"),
    Bad("copy --length 0", "--length"),
    Bad("copy --length 3-2", "--length"),
    Bad("copy --length 1-x", "--length"),
    Bad("copy --length 1-9223372036854775807", "--length is 1-9223372036854775807"),
    Bad("copy --bits 0", "--bits is 0; it must be from 1"),
    Bad("copy --bits 9223372036854775807", "--bits is 9223372036854775807"),
    Bad("copy --items 3", "task copy has no --items"),
    Bad("ngrams --bits 3 --vectors 2", "task ngrams has no --bits, --vectors"),
    Bad("ngrams --length 5", "--length is 5; it must be from 6"),
    Bad("ngrams --length 7-8", "--length of ngrams is one number"),
    Bad("associative-recall --items 1-3", "--items is 1-3; it must be a range within 2"),
    Bad("priority-sort --vectors 4", "--sorted is 16; it must be from 1 to 4"),
    Bad("copy --units 0", "controller.units"),
    Bad("copy --rows -1", "rows"),
    Bad("copy --heads read,reed", "--heads has 'reed'; heads are read, write, read_write"),
    Bad("copy --heads write", "no head reads"),
    Bad("copy --dialect latin", "--dialect"),
    Bad("copy --controller gru", "--controller"),
    Bad("copy --start-memory soon", "--start-memory is 'soon'; it must be a number or `learned`"),
    Bad("copy --start-weightings inf", "--start-weightings is 'inf'"),
    Bad("copy --optimizer sgd", "--optimizer"),
    Bad("copy --sequences 0", "--sequences is 0"),
    Bad("copy --batch 0", "--batch is 0"),
    Bad("copy --batch 9223372036854775807", "--batch is 9223372036854775807"),
    Bad("copy --rate nan", "--rate is nan; it must be a number above 0"),
    Bad("copy --rate fast", "--rate"),
    Bad("copy --decay 1.5", "--decay is 1.5; it must be within 0 and 1"),
    Bad("copy --final-rate -0.5", "final-rate"),
    Bad("copy --clip 0", "--clip is 0.0"),
    Bad("copy --curriculum 2", "--curriculum is 2.0"),
    Bad("copy --interval 0", "--interval is 0"),
    Bad("copy --validation 0", "--validation is 0"),
    Bad("copy --threads 0", "--threads is 0; it must be at least 1"),
    Bad("copy --output /no/such/folder/model", "/no/such/folder"),
  ])
  func aBadValueIsRefused(_ bad: Bad) throws {
    let output = bad.arguments.contains("--output") ? [] : ["--output", model]
    let ending = try Executable.run(["train"] + bad.arguments + output)
    #expect(ending.status != 0)
    #expect(ending.errors.contains(bad.message), "\(ending.errors)")
    #expect(ending.output.isEmpty)
    #expect(try files().isEmpty)
  }

  // MARK: Sequences of one's own

  @Test func trainsOnAFile() throws {
    let lines = (0..<12).map { number in
      #"{"input":[[\#(number % 2)],[0]],"target":[[0],[\#(number % 2)]],"mask":[0,1]}"#
    }
    try folder.write("own.ndjson", lines.joined(separator: "\n"))
    let own = folder.file("own.ndjson")
    let arguments = Array(Self.tiny.dropFirst(4))
    let ending = try Executable.run(
      ["train", "--task", own, "--sequences", "20", "--output", model] + arguments)
    #expect(ending.status == 0)
    #expect(ending.output.contains("held back"))
    let file = try ModelFile.load(model)
    #expect(file.description.task == "file")
    #expect(file.model.configuration.inputSize == 1 && file.model.configuration.outputSize == 1)
    // The model says where they are.
    let eval = try Executable.run(["eval", model])
    #expect(eval.status == 0)
    #expect(try Executable.run(["eval", model, "--task", own]).output == eval.output)
    #expect(try train("--resume").status == 0)

    try folder.write("own.ndjson", lines.joined(separator: "\n") + "\n\n")
    for ending in [try train("--resume"), try Executable.run(["eval", model])] {
      #expect(ending.status != 0)
      #expect(ending.errors.contains("own.ndjson has changed since the run began"))
    }
    try folder.write("own.ndjson", "nonsense")
    let bad = try Executable.run(["train", "--task", own, "--force", "--output", model])
    #expect(bad.status != 0)
    #expect(bad.errors.contains("own.ndjson, line 1: "))
  }

  /// Its losses and gradients are far from all that the progress can show in digits.
  @Test(arguments: ["1e6", "1e30"])
  func aRunThatDivergesComesToItsEnd(_ rate: String) throws {
    let ending = try trainTiny(
      "--sequences", "200", "--rate", rate, "--activation", "identity", "--clip", "1e38")
    #expect(ending.status == 0, "\(ending.errors)")
    #expect(ending.errors.split(separator: "\n").count == 5)
  }
}

/// Figures for people.
struct FigureTests {
  @Test(
    arguments: [
      (value: 0, text: "0.0000"), (value: 0.01234567, text: "0.0123"), (value: 0.5, text: "0.50"),
      (value: 9.876, text: "9.88"), (value: 12.345, text: "12.3"), (value: 199.9, text: "200"),
      (value: -0.25, text: "-0.25"), (value: -150.6, text: "-151"), (value: 123456, text: "123456"),
      (value: 1e20, text: "1e+20"), (value: -1e300, text: "-1e+300"), (value: .infinity, text: "–"),
      (value: .nan, text: "–"),
    ] as [(value: Double, text: String)])
  func haveThreeDigitsOrSo(_ value: Double, _ text: String) {
    #expect(ProgressBar.figure(value) == text)
  }

  @Test(
    arguments: [
      (seconds: 0, text: "0:00"), (seconds: 59.6, text: "1:00"), (seconds: 61, text: "1:01"),
      (seconds: 3599, text: "59:59"), (seconds: 3725, text: "1:02:05"),
    ] as [(seconds: Double, text: String)])
  func times(_ seconds: Double, _ text: String) {
    #expect(ProgressBar.time(seconds) == text)
  }
}
