import ArgumentParser
import NTMModel
import NTMTraining

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a model on freshly drawn sequences, at training lengths and beyond them.")

  @Argument(help: "A model file.")
  var model: String

  @OptionGroup var chosen: ChosenTask

  @Option(help: "Sequences of each kind. (default: what the task says)")
  var sequences: Int?

  @Option(help: "Of the sequences that are drawn.")
  var seed: UInt64 = 1

  @Option(help: "Threads to compute with. Their number does not change the result.")
  var threads: Int = SystemLimits.processors

  @Flag(help: "Print everything as JSON.")
  var json = false

  func validate() throws {
    for (name, value) in [("sequences", sequences ?? 1), ("threads", threads)] where value < 1 {
      throw ValidationError("--\(name) is \(value); it must be at least 1")
    }
  }

  func run() throws {
    let file = try ModelFile.read(model)
    let report = try EvaluationReport(
      file.model, chosen.task(of: file, model), seed: seed, sequences: sequences,
      threads: threads)
    guard json else {
      return try StandardOutput.print(report.table)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try StandardOutput.print(String(decoding: try encoder.encode(report), as: UTF8.self))
  }
}

/// The task that a model is looked at with: the one that its file names, unless another is given.
struct ChosenTask: ParsableArguments {
  @Option(help: "The task, or a file of sequences as NDJSON. (default: what the model file says)")
  var task: String?

  @OptionGroup(title: "Task") var settings: TaskSettings

  func task(of file: ModelFile, _ path: String) throws -> any TrainingTask {
    let task: any TrainingTask
    if let name = self.task {
      task = try TaskKind(rawValue: name)?.task ?? FileTask(path: name)
    } else if let name = file.description.task {
      do {
        task = try TaskKind.decode(name: name, training: file.description.training)
      } catch {
        throw Failure("\(path): \(error); --task says which to use")
      }
    } else {
      throw Failure("\(path) does not say its task; --task does")
    }
    return try settings.apply(to: task)
  }
}

extension ModelFile {
  /// The model file at a path, or a failure that names it.
  static func read(_ path: String) throws -> ModelFile {
    do throws(ModelFileError) {
      return try ModelFile.load(path)
    } catch {
      throw Failure("\(path): \(error.reason)")
    }
  }
}

extension EvaluationReport {
  /// The figures as a table for a terminal.
  var table: String {
    let unit = loss.unit
    let hasOptimal = sets.contains { $0.evaluation.total.optimalLoss != nil }
    var rows = [
      ["", "sequences", "\(unit) per sequence"] + (hasOptimal ? ["optimal"] : [])
        + ["wrong bits", "of", "perfect"]
    ]
    for (name, evaluation) in sets {
      rows.append(row(name, evaluation.total, hasOptimal))
      guard evaluation.bySize.count > 1 else { continue }
      for (size, tally) in evaluation.bySize.sorted(by: { $0.key < $1.key }) {
        rows.append(row("  \(sizeName) \(size)", tally, hasOptimal))
      }
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      zip(row, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: cell.1 - cell.0.count)
        return column == 0 ? cell.0 + space : space + cell.0
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }

  private func row(_ name: String, _ tally: Evaluation.Tally, _ hasOptimal: Bool) -> [String] {
    [name, "\(tally.sequences)", ProgressBar.figure(tally.lossPerSequence)]
      + (hasOptimal ? [tally.optimalPerSequence.map(ProgressBar.figure) ?? "–"] : [])
      + ["\(tally.wrong)", "\(tally.values)", "\(tally.perfect)"]
  }
}
