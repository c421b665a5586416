import Foundation
import NTMModel
import Testing

@testable import NTMTraining

/// A user's own sequences.
struct FileTaskTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func task(_ content: String) throws -> FileTask {
    try FileTask(path: folder.write("sequences.ndjson", content))
  }

  /// A sequence that its first input tells apart.
  private static func line(_ number: Int, steps: Int = 2) -> String {
    let inputs = (0..<steps).map { "[\($0 == 0 ? number : 0)]" }.joined(separator: ",")
    let targets = (0..<steps).map { _ in "[0]" }.joined(separator: ",")
    return #"{"input":[\#(inputs)],"target":[\#(targets)]}"#
  }

  @Test func readsWhatTheFileSays() throws {
    let task = try task(
      """
      {"input": [[1, 0.5], [0, -2]], "target": [[1], [0]], "mask": [0, 0.25]}

      {"target": [[0.5], [0.5], [1]], "input": [[1e3, 0], [0, 0], [3, 4]]}\r
      \t 
      """)
    #expect(task.count == 2)
    #expect(task.inputSize == 2 && task.outputSize == 1)
    #expect(task.targetRange == 0...1)
    #expect(task.longestTraining == 3)
    #expect(task.beyond.isEmpty)
    var generator = RandomGenerator(seed: 1)
    let drawn = (0..<50).flatMap { _ in task.episodes(1, difficulty: 1, using: &generator) }
    let short = try #require(drawn.first { $0.steps == 2 })
    let long = try #require(drawn.first { $0.steps == 3 })
    #expect(short.inputs == [[1, 0.5], [0, -2]])
    #expect(short.targets == [[1], [0]])
    #expect(short.mask == [0, 0.25])
    #expect(short.size == 2)
    #expect(long.inputs == [[1000, 0], [0, 0], [3, 4]])
    #expect(long.targets == [[0.5], [0.5], [1]])
    // A mask that is left out counts every step.
    #expect(long.mask == [1, 1, 1])
  }

  @Test func everySequenceIsAsLikelyAsAnyOther() throws {
    // Seven short ones and one long one.
    let lines = (0..<7).map { Self.line($0) } + [Self.line(7, steps: 4)]
    let task = try task(lines.joined(separator: "\n"))
    var generator = RandomGenerator(seed: 1)
    var counts = [Int](repeating: 0, count: 8)
    for _ in 0..<4000 {
      counts[Int(task.episodes(1, difficulty: 1, using: &generator)[0].inputs[0][0])] += 1
    }
    // Five standard deviations of a binomial count.
    for count in counts { #expect(abs(Double(count) - 500) < 5 * sqrt(4000.0 / 8 * 7 / 8)) }
  }

  @Test func batchesAreOfOneLengthAndACurriculumBeginsWithTheShortest() throws {
    let lines = (0..<9).map { Self.line($0, steps: 1 + $0 % 3) }
    let task = try task(lines.joined(separator: "\n"))
    var generator = RandomGenerator(seed: 1)
    func lengths(_ difficulty: Double) -> Set<Int> {
      Set(
        (0..<100).map { _ in
          let episodes = task.episodes(4, difficulty: difficulty, using: &generator)
          #expect(episodes.count == 4)
          #expect(episodes.allSatisfy { $0.steps == episodes[0].steps })
          return episodes[0].steps
        })
    }
    #expect(lengths(0) == [1])
    #expect(lengths(0.5) == [1, 2])
    #expect(lengths(1) == [1, 2, 3])
  }

  // MARK: Validation

  @Test func everyTenthSequenceIsHeldBack() throws {
    let task = try task((0..<25).map { Self.line($0) }.joined(separator: "\n"))
    var generator = RandomGenerator(seed: 1)
    let trained = (0..<500).flatMap { _ in task.episodes(2, difficulty: 1, using: &generator) }
    let heldBack = Set([9, 19] as [Float])
    #expect(
      Set(trained.map { $0.inputs[0][0] }) == Set((0..<25).map(Float.init)).subtracting(heldBack))
    var set = task.atTrainingLengths
    #expect(set.sequences == 2)
    set.sequences = 50
    #expect(Set(set.episodes(using: &generator).map { $0.inputs[0][0] }) == heldBack)
  }

  @Test func ofFewerThanTenNoneIsHeldBack() throws {
    let task = try task((0..<9).map { Self.line($0) }.joined(separator: "\n"))
    var generator = RandomGenerator(seed: 1)
    let trained = (0..<300).flatMap { _ in task.episodes(1, difficulty: 1, using: &generator) }
    var set = task.atTrainingLengths
    set.sequences = 300
    let all = Set((0..<9).map(Float.init))
    #expect(Set(trained.map { $0.inputs[0][0] }) == all)
    #expect(Set(set.episodes(using: &generator).map { $0.inputs[0][0] }) == all)
  }

  // MARK: Bad lines

  @Test(arguments: [
    (line: "nonsense", message: "the whole"),
    (line: "{", message: "the whole"),
    (line: "[[1],[2]]", message: "the whole"),
    (
      line: #"{"input":[[1],[2]],"target":[[1],[2]],"masks":[0,1]}"#,
      message: "unknown field \"masks\"; valid are input, target, mask"
    ),
    (line: #"{"input":[[1],[2]]}"#, message: "target: missing field"),
    (line: #"{"target":[[1],[2]]}"#, message: "input: missing field"),
    (line: #"{"input":[[1],["x"]],"target":[[1],[2]]}"#, message: "input[1][0]: is not of type"),
    (line: #"{"input":[[1],null],"target":[[1],[2]]}"#, message: "input[1]"),
    (line: #"{"input":[1,2],"target":[[1],[2]]}"#, message: "input[0]"),
    (
      line: #"{"input":[[1],[2]],"target":[[1]]}"#,
      message: "input has 2 steps, target 1, mask 2; all must have as many"
    ),
    (
      line: #"{"input":[[1],[2]],"target":[[1],[2]],"mask":[1,1,1]}"#,
      message: "input has 2 steps, target 2, mask 3"
    ),
    (line: #"{"input":[],"target":[],"mask":[]}"#, message: "and at least one"),
    (line: #"{"input":[[1],[2,3]],"target":[[1],[2]]}"#, message: "input[1] has 2 values, not 1"),
    (line: #"{"input":[[1],[2]],"target":[[1],[]]}"#, message: "target[1] has 0 values, not 1"),
    (line: #"{"input":[[1,2]],"target":[[1]]}"#, message: "input[0] has 2 values, not 1"),
    (line: #"{"input":[[1]],"target":[[1,2]]}"#, message: "target[0] has 2 values, not 1"),
    (line: #"{"input":[[1]],"target":[[1]],"mask":[-0.5]}"#, message: "mask has a negative value"),
    (line: #"{"input":[[1]],"target":[[1]],"mask":[true]}"#, message: "mask[0]: is not of type"),
    (line: #"{"input":[[NaN]],"target":[[1]]}"#, message: "the whole"),
    (line: #"{"input":[[Infinity]],"target":[[1]]}"#, message: "the whole"),
    (line: #"{"input":[[1e400]],"target":[[1]]}"#, message: "the whole"),
    (line: #"{"input":[[1e39]],"target":[[1]]}"#, message: "input[0][0] is 1e+39, beyond"),
    (line: #"{"input":[[1]],"target":[[-1e39]]}"#, message: "target[0][0] is -1e+39, beyond"),
    (line: #"{"input":[[1]],"target":[[1]],"mask":[1e300]}"#, message: "mask[0] is 1e+300, beyond"),
  ])
  func aBadLineIsNamed(_ bad: (line: String, message: String)) {
    // It is the third, after a good one and an empty one.
    expectError(
      TrainingError.self, "\(folder.file("sequences.ndjson")), line 3: ", bad.message
    ) { try task("\(Self.line(1))\n\n\(bad.line)\n\(Self.line(2))") }
  }

  @Test(arguments: [
    (line: #"{"input":[],"target":[]}"#, message: "input has no values"),
    (line: #"{"input":[[]],"target":[[1]]}"#, message: "input has no values"),
    (line: #"{"input":[[1]],"target":[[]]}"#, message: "target has no values"),
    (line: #"{"input":[[1]],"target":[]}"#, message: "target has no values"),
  ])
  func aBadFirstLineIsNamed(_ bad: (line: String, message: String)) {
    expectError(TrainingError.self, ", line 1: ", bad.message) { try task(bad.line) }
  }

  @Test(arguments: ["", "\n", " \r\n\t\n\n"])
  func anEmptyFileIsRefused(_ content: String) {
    expectError(
      TrainingError.self, "\(folder.file("sequences.ndjson")) has no sequences"
    ) { try task(content) }
  }

  @Test func aFileThatIsNotThereIsRefused() {
    for path in [folder.file("none"), folder.path] {
      expectError(TrainingError.self, "\(path) can't be read") { try FileTask(path: path) }
    }
  }

  // MARK: In a run

  @Test(arguments: [
    (target: "0.5", activation: Activation.sigmoid, range: 0...0.5),
    (target: "1", activation: .sigmoid, range: 0...1),
    (target: "1.5", activation: .identity, range: 0...1.5),
    (target: "-0.25", activation: .identity, range: -0.25...0),
  ])
  func targetsChooseTheOutput(
    _ target: String, _ activation: Activation, _ range: ClosedRange<Float>
  ) throws {
    let task = try task(#"{"input":[[1],[2]],"target":[[0],[\#(target)]]}"#)
    #expect(task.targetRange == range)
    let setup = TrainingSetup(task)
    #expect(setup.configuration.dialect.output.activation == activation)
    #expect(setup.configuration.inputSize == 1 && setup.configuration.outputSize == 1)
  }

  private func trainer(_ task: FileTask) throws -> Trainer {
    try Trainer(.tiny(task).with { $0.options.sequences = 40 }, threads: 1)
  }

  @Test func aRunGoesOnWithTheSameFile() throws {
    let lines = (0..<12).map { Self.line($0 % 2, steps: 1 + $0 % 3) }.joined(separator: "\n")
    let whole = try trainer(task(lines))
    let begun = try trainer(task(lines))
    try whole.run()
    try begun.run(updates: 3)
    try begun.checkpoint().write(to: folder.file("checkpoint"))
    let resumed = try Trainer(Checkpoint(path: folder.file("checkpoint")), threads: 1)
    #expect(resumed.task as? FileTask == begun.task as? FileTask)
    try resumed.run()
    #expect(try resumed.result() == whole.result())
  }

  @Test func aChangedFileIsRefused() throws {
    let trainer = try trainer(task(Self.line(1)))
    let checkpoint = folder.file("checkpoint")
    try trainer.checkpoint().write(to: checkpoint)
    _ = try folder.write("sequences.ndjson", Self.line(1) + "\n")
    expectError(
      TrainingError.self, "\(checkpoint): ", "sequences.ndjson has changed since the run began"
    ) { try Checkpoint(path: checkpoint) }
    try FileManager.default.removeItem(atPath: folder.file("sequences.ndjson"))
    expectError(TrainingError.self, "\(checkpoint): ", "sequences.ndjson can't be read") {
      try Checkpoint(path: checkpoint)
    }
  }
}
