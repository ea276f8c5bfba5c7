//! The sort of arrays and lists: .NET's introspective sort, which is not stable, step for step.
//!
//! Equal keys end up where .NET puts them only if pivots, swaps and thresholds are the same.

use super::*;

/// Parts up to this size are sorted by insertion.
const SMALL: usize = 16;

/// Keys, and what moves along with them.
struct Sorter<'s> {
    keys: &'s mut [Value],
    items: Option<&'s mut [Value]>,
    by: &'s Value,
    /// Whether comparisons contradicted each other.
    inconsistent: bool,
}

/// Sorts `keys` under a comparison delegate, a comparer, or the default order, and `items` along with them.
///
/// # Errors
/// `InvalidOperationException` for whatever a comparison throws; being cut off stays what it is.
pub(crate) fn introsort(
    vm: &mut Vm<'_>,
    keys: &mut [Value],
    items: Option<&mut [Value]>,
    by: &Value,
) -> Result<(), Thrown> {
    if keys.len() < 2 {
        return Ok(());
    }
    let depth = 2 * (keys.len().ilog2() + 1);
    let high = keys.len() - 1;
    let mut sorter = Sorter {
        keys,
        items,
        by,
        inconsistent: false,
    };
    sorter.sort(vm, 0, high, depth).map_err(|e| match e {
        Thrown::Budget(_) => e,
        _ if sorter.inconsistent => e,
        _ => Error::invalid_operation("Failed to compare two elements in the array.").into(),
    })
}

impl Sorter<'_> {
    fn less(&self, vm: &mut Vm<'_>, a: &Value, b: &Value) -> Result<bool, Thrown> {
        vm.step()?;
        Ok(compare_with(vm, self.by, a, b)? == Ordering::Less)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.keys.swap(a, b);
        if let Some(items) = &mut self.items {
            items.swap(a, b);
        }
    }

    fn swap_if_greater(&mut self, vm: &mut Vm<'_>, a: usize, b: usize) -> Result<(), Thrown> {
        vm.step()?;
        if a != b && compare_with(vm, self.by, &self.keys[a], &self.keys[b])? == Ordering::Greater {
            self.swap(a, b);
        }
        Ok(())
    }

    fn sort(&mut self, vm: &mut Vm<'_>, low: usize, mut high: usize, mut depth: u32) -> Result<(), Thrown> {
        vm.check_stack()?;
        while high > low {
            let size = high - low + 1;
            match size {
                2 => return self.swap_if_greater(vm, low, high),
                3 => {
                    self.swap_if_greater(vm, low, high - 1)?;
                    self.swap_if_greater(vm, low, high)?;
                    return self.swap_if_greater(vm, high - 1, high);
                }
                _ if size <= SMALL => return self.insertion(vm, low, high),
                _ if depth == 0 => return self.heap(vm, low, high),
                _ => {}
            }
            depth -= 1;
            let pivot = self.partition(vm, low, high)?;
            self.sort(vm, pivot + 1, high, depth)?;
            high = pivot.saturating_sub(1);
        }
        Ok(())
    }

    fn partition(&mut self, vm: &mut Vm<'_>, low: usize, high: usize) -> Result<usize, Thrown> {
        let middle = low + (high - low) / 2;
        self.swap_if_greater(vm, low, middle)?;
        self.swap_if_greater(vm, low, high)?;
        self.swap_if_greater(vm, middle, high)?;
        let pivot = self.keys[middle].clone();
        self.swap(middle, high - 1);
        let (mut left, mut right) = (low, high - 1);
        let inconsistent = |flag: &mut bool| -> Thrown {
            *flag = true;
            Error::of(ExceptionKind::ArgumentException).into()
        };
        while left < right {
            loop {
                left += 1;
                let Some(key) = self.keys.get(left).cloned() else {
                    return Err(inconsistent(&mut self.inconsistent));
                };
                if !self.less(vm, &key, &pivot)? {
                    break;
                }
            }
            loop {
                right = match right.checked_sub(1) {
                    Some(right) => right,
                    None => return Err(inconsistent(&mut self.inconsistent)),
                };
                let key = self.keys[right].clone();
                if !self.less(vm, &pivot, &key)? {
                    break;
                }
            }
            if left >= right {
                break;
            }
            self.swap(left, right);
        }
        self.swap(left, high - 1);
        Ok(left)
    }

    fn insertion(&mut self, vm: &mut Vm<'_>, low: usize, high: usize) -> Result<(), Thrown> {
        for i in low + 1..=high {
            let key = self.keys[i].clone();
            let mut at = i;
            while at > low && self.less(vm, &key, &self.keys[at - 1].clone())? {
                self.swap(at, at - 1);
                at -= 1;
            }
        }
        Ok(())
    }

    fn heap(&mut self, vm: &mut Vm<'_>, low: usize, high: usize) -> Result<(), Thrown> {
        let n = high - low + 1;
        for i in (1..=n / 2).rev() {
            self.down(vm, i, n, low)?;
        }
        for i in (2..=n).rev() {
            self.swap(low, low + i - 1);
            self.down(vm, 1, i - 1, low)?;
        }
        Ok(())
    }

    /// Sinks the element at place `i`, counted from one, of a heap of `n`.
    fn down(&mut self, vm: &mut Vm<'_>, mut i: usize, n: usize, low: usize) -> Result<(), Thrown> {
        while i <= n / 2 {
            let mut child = 2 * i;
            let at = |place: usize| low + place - 1;
            if child < n {
                let (a, b) = (self.keys[at(child)].clone(), self.keys[at(child + 1)].clone());
                child += usize::from(self.less(vm, &a, &b)?);
            }
            let (mine, theirs) = (self.keys[at(i)].clone(), self.keys[at(child)].clone());
            if !self.less(vm, &mine, &theirs)? {
                break;
            }
            self.swap(at(i), at(child));
            i = child;
        }
        Ok(())
    }
}
