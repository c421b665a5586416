import NTMModel
import NTMTraining

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The files of a training run, which stand beside each other.
struct RunFiles {
  /// The model that did best so far.
  let model: String

  init(model: String) { self.model = model }

  var checkpoint: String { beside("checkpoint") }
  var record: String { beside("csv") }
  var curve: String { beside("svg") }

  private func beside(_ suffix: String) -> String {
    (model.hasSuffix(".safetensors") ? String(model.dropLast(".safetensors".count)) : model)
      + ".\(suffix)"
  }

  /// Whether any of them is there.
  var exist: Bool {
    all.contains { FileManager.default.fileExists(atPath: $0) }
  }

  private var all: [String] { [model, checkpoint, record, curve] }

  /// Finds out before a long run that its files can't be written, or would replace one another.
  ///
  /// - Parameter inputs: files that the run reads
  func checkWritable(inputs: [String]) throws {
    for path in all {
      let file = try OutputFile(path, inputs: inputs)
      guard file.isRegular else {
        throw Failure("\(path) can't be written: it is not a regular file, which a run replaces")
      }
      try file.checkWritable()
    }
    for (index, path) in all.enumerated() {
      if let other = all[..<index].first(where: { OutputFile.isSameFile($0, path) }) {
        throw Failure("\(path) can't be written: it is the same file as \(other)")
      }
    }
  }

  /// Writes the state of the run: the model, its checkpoint, record and learning curve. Each file is
  /// tried; one that can't be written stays as it was.
  ///
  /// - Throws: `Failure` that names each file that was not written, with the reason.
  func write(_ trainer: Trainer) throws {
    let writes = [
      { try trainer.checkpoint().write(to: checkpoint) }, { try writeRecord(trainer) },
      { try writeCurve(trainer) }, { try writeModel(trainer, evaluation: nil) },
    ]
    var errors: [String] = []
    for write in writes {
      do { try write() } catch { errors.append("\(error)") }
    }
    guard errors.isEmpty else { throw Failure(errors.joined(separator: "; ")) }
  }

  private func writeRecord(_ trainer: Trainer) throws {
    let lines = [TrainingRecord.csvHeader] + trainer.history.map(\.csv)
    try write(lines.joined(separator: "\n") + "\n", to: record)
  }

  private func writeCurve(_ trainer: Trainer) throws {
    guard !trainer.history.isEmpty else { return }
    let curve = LearningCurve(
      trainer.history, title: "\(type(of: trainer.task).name), seed \(trainer.options.seed)",
      unit: Loss(trainer.configuration.dialect.output).unit)
    try write(curve.svg, to: self.curve)
  }

  /// Writes the best model so far, with what made it and what it reaches.
  func writeModel(_ trainer: Trainer, evaluation: EvaluationReport?) throws {
    let file = ModelFile(
      model: try trainer.bestModel(),
      description: ModelFile.Description(
        task: type(of: trainer.task).name, source: "trained by ntm train",
        training: try trainer.summary(evaluation: evaluation), producer: "ntm \(Release.version)"))
    try file.safeTensors().write(to: model)
  }

  private func write(_ text: String, to path: String) throws {
    try OutputFile.write(Array(text.utf8), to: path)
  }
}
