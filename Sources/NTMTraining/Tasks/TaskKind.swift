import NTMModel

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The tasks that have a name.
public enum TaskKind: String, CaseIterable, Sendable {
  case copy
  case repeatCopy = "repeat-copy"
  case associativeRecall = "associative-recall"
  case nGrams = "ngrams"
  case prioritySort = "priority-sort"

  private var type: any TrainingTask.Type {
    switch self {
    case .copy: Copy.self
    case .repeatCopy: RepeatCopy.self
    case .associativeRecall: AssociativeRecall.self
    case .nGrams: DynamicNGrams.self
    case .prioritySort: PrioritySort.self
    }
  }

  /// The task with the paper's settings.
  public var task: any TrainingTask {
    switch self {
    case .copy: Copy()
    case .repeatCopy: RepeatCopy()
    case .associativeRecall: AssociativeRecall()
    case .nGrams: DynamicNGrams()
    case .prioritySort: PrioritySort()
    }
  }

  /// A task from what a checkpoint or a model file says of it.
  ///
  /// - Parameters:
  ///   - settings: JSON of the task
  ///   - training: or JSON of a run, with the task as `task_settings`; the paper's settings where
  ///     neither says any
  /// - Throws: `TrainingError` where there is no such task or its settings are not valid.
  public static func decode(
    name: String?, settings: String? = nil, training: String? = nil
  ) throws(TrainingError) -> any TrainingTask {
    guard let type = type(name) else {
      throw TrainingError(
        "there is no task \(name.map { "'\($0)'" } ?? "without a name"); tasks are "
          + allCases.map(\.rawValue).joined(separator: ", "))
    }
    let task = try decode(type, settings: settings, training: training)
    guard let task = task ?? TaskKind(rawValue: type.name)?.task else {
      throw TrainingError("does not say where the sequences of its task are")
    }
    do {
      try task.validate()
    } catch {
      throw TrainingError("the settings of task \(type.name): \(error)")
    }
    return task
  }

  private static func type(_ name: String?) -> (any TrainingTask.Type)? {
    name == FileTask.name ? FileTask.self : name.flatMap(TaskKind.init)?.type
  }

  private static func decode<Task: TrainingTask>(
    _ type: Task.Type, settings: String?, training: String?
  ) throws(TrainingError) -> Task? {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      if let settings { return try decoder.decode(type, from: Data(settings.utf8)) }
      guard let training else { return nil }
      return try decoder.decode(Run<Task>.self, from: Data(training.utf8)).taskSettings
    } catch let error as DecodingError {
      throw TrainingError("the settings of task \(type.name): \(error.summary)")
    } catch {
      throw TrainingError("the settings of task \(type.name): \(error)")
    }
  }
}

/// The part of a run's JSON that says its task's settings.
private struct Run<Task: TrainingTask>: Decodable {
  let taskSettings: Task?
}
